// SPDX-License-Identifier: MIT
/* Options and commands. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"
#include "client.h"
#include "log.h"

#ifndef VMFORK_VERSION
#define VMFORK_VERSION "0.1"
#endif

enum {
	EXIT_USAGE = 2,
	TIMEOUT_MAX_S = 1000000,
};

static const char help_text[] =
	"Usage: vmfork-agent run [--signal SIGNAL] [--freeze CGROUP] "
	"[--verbose]\n"
	"       vmfork-agent status\n"
	"       vmfork-agent wait [--generation N] [--settled] "
	"[--timeout SECONDS]\n"
	"                         [--exec COMMAND [ARGUMENT]...]\n"
	"\n"
	"Runs inside a VM. When the VM was forked, the agent takes the new\n"
	"network identity from the mailbox, applies it and acknowledges it.\n"
	"\n"
	"  run      serve until SIGTERM\n"
	"  status   print what became of the last restore, as JSON\n"
	"  wait     return when the generation is not N (default: the present\n"
	"           one), that is, once a restore has its network; print the\n"
	"           status. Exit 1 if there is no mail for it, or it failed\n"
	"\n"
	"  --signal SIGNAL      what tells of a restore:\n"
	"      auto             all of the below that can notify (default)\n"
	"      mailbox          the vmfork_mailbox module, /dev/vmfork\n"
	"      vmgenid          VMGenID, through the kernel's log\n"
	"      vmclock          VMClock; sampled each ms where it cannot "
	"notify\n"
	"      vmclock-spin     VMClock, watched all the time; takes a CPU\n"
	"  --freeze CGROUP      for run: keep this cgroup (absolute, or below\n"
	"                       /sys/fs/cgroup) frozen from a snapshot until\n"
	"                       the fork's random numbers are its own\n"
	"  --generation N       for wait\n"
	"  --settled            for wait: until all is done that follows a "
	"restore,\n"
	"                       whether or not the host has heard of it\n"
	"  --timeout SECONDS    for wait: exit 1 after so long (default: "
	"never)\n"
	"  --exec COMMAND ...   for wait, the last option: become that "
	"command\n"
	"                       in place of printing the status\n"
	"  --verbose            say more on standard error\n"
	"  --help, --version\n";

struct options {
	const char *signal;
	const char *freeze;
	struct client_wait wait;
};

static int cmd_run(const struct options *opts)
{
	/* static: everything that the hot path needs is there from the start */
	static struct agent agent;
	int ret;

	/* first: a descriptor that we were given has its number yet */
	ready_init(&agent.ready);
	/* who listens may be gone */
	signal(SIGPIPE, SIG_IGN);
	ret = freeze_init(&agent.requests.freeze, opts->freeze);
	/* what everybody is to read, whoever starts us with whichever mask */
	umask(022);
	if (ret < 0) {
		log_line(LOG_ERROR, "--freeze %s: is no cgroup to be frozen",
			 opts->freeze);
		return EXIT_USAGE;
	}
	if (agent_open(&agent, opts->signal) < 0)
		return EXIT_FAILURE;
	ret = agent_run(&agent);
	agent_close(&agent);
	if (ret < 0)
		log_line(LOG_ERROR, "event loop: %s", strerror(-ret));
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int cmd_status(const struct options *opts)
{
	(void)opts;
	return client_status();
}

static int cmd_wait(const struct options *opts)
{
	return client_wait(&opts->wait);
}

static const struct command {
	const char *name;
	int (*run)(const struct options *opts);
	const char *options; /* short names of those it takes */
} commands[] = {
	{ "run", cmd_run, "sfv" },
	{ "status", cmd_status, "v" },
	{ "wait", cmd_wait, "gtSv" },
};

static const struct option long_options[] = {
	{ "signal", required_argument, NULL, 's' },
	{ "freeze", required_argument, NULL, 'f' },
	{ "settled", no_argument, NULL, 'S' },
	{ "generation", required_argument, NULL, 'g' },
	{ "timeout", required_argument, NULL, 't' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static int usage(const char *what, const char *which)
{
	log_line(LOG_ERROR, "%s: %s (--help tells more)", which, what);
	return EXIT_USAGE;
}

static bool number_parse(const char *str, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(str, &end, 10);
	return *str >= '0' && *str <= '9' && !*end && !errno && *number <= max;
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/* Return: -1 to go on, or an exit code */
static int option_set(struct options *opts, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case 's':
		opts->signal = value;
		return -1;
	case 'v':
		log_init(LOG_DEBUG);
		return -1;
	case 'g':
		if (!number_parse(value, UINT64_MAX, &opts->wait.generation))
			return usage("is no generation", value);
		opts->wait.has_generation = true;
		return -1;
	case 't':
		if (!number_parse(value, TIMEOUT_MAX_S, &number))
			return usage("is no time in seconds", value);
		opts->wait.timeout_s = (int)number;
		return -1;
	case 'f':
		opts->freeze = value;
		return -1;
	case 'S':
		opts->wait.is_settled = true;
		return -1;
	case 'h':
		fputs(help_text, stdout);
		return EXIT_SUCCESS;
	case 'V':
		puts("vmfork-agent " VMFORK_VERSION);
		return EXIT_SUCCESS;
	}
	return EXIT_USAGE;
}

/*
 * What stands behind --exec is another command's, options and all.
 * Return: how many arguments are ours, or -1
 */
static int exec_split(int argc, char **argv, struct options *opts)
{
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--exec") != 0)
			continue;
		opts->wait.exec = argv + i + 1;
		return argv[i + 1] ? i : -1;
	}
	return argc;
}

/* Return: -1 to go on, or an exit code */
static int options_parse(int argc, char **argv, struct options *opts,
			 const struct command *command)
{
	int option, index = 0, ret;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, &index)) !=
	       -1) {
		if (option == '?')
			return usage("unknown option", argv[optind - 1]);
		if (option == ':')
			return usage("needs a value", argv[optind - 1]);
		if (!strchr("hV", option) &&
		    (!command || !strchr(command->options, option)))
			return usage("is no option of this command",
				     long_options[index].name);
		ret = option_set(opts, option, optarg);
		if (ret >= 0)
			return ret;
	}
	return optind < argc ? usage("unexpected argument", argv[optind]) : -1;
}

int main(int argc, char **argv)
{
	struct options opts = { .signal = "auto",
				.wait.timeout_s = CLIENT_FOREVER };
	const struct command *command = NULL;
	int ret;

	if (argc < 2) {
		fputs(help_text, stderr);
		return EXIT_USAGE;
	}
	if (argv[1][0] != '-') {
		command = command_find(argv[1]);
		if (!command)
			return usage("no such command", argv[1]);
		optind = 2;
	}
	if (command && command->run == cmd_wait) {
		argc = exec_split(argc, argv, &opts);
		if (argc < 0)
			return usage("needs a command", "--exec");
	}
	ret = options_parse(argc, argv, &opts, command);
	if (ret >= 0)
		return ret;
	if (!command)
		return usage("no command", argv[1]);
	return command->run(&opts);
}
