// SPDX-License-Identifier: MIT
/* vmfork: the table of subcommands, and the only place that prints an error. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/io.h"
#include "cmd/cmd.h"

static const struct {
	const char *name;
	cmd_fn *fn;
	const char *help;
} commands[] = {
	{ "run", cmd_run, "boot a VM and give it its first network" },
	{ "ps", cmd_ps, "list VMs" },
	{ "inspect", cmd_inspect, "print all that is known of a VM" },
	{ "console", cmd_console, "talk to a VM's console" },
	{ "stop", cmd_stop, "end VMs, and free or keep what they held" },
	{ "start", cmd_start, "boot a VM that was kept" },
	{ "snapshot", cmd_snapshot, "snapshot a running VM" },
	{ "snapshots", cmd_snapshots, "list snapshots" },
	{ "rmi", cmd_rmi, "remove snapshots" },
	{ "fork", cmd_fork, "fork a snapshot" },
	{ "pool", cmd_pool, "start engines ahead, for forks to take" },
	{ "net", cmd_net, "create, list and remove networks" },
	{ "bake", cmd_bake, "put the agent into a root file system" },
	{ "bench", cmd_bench, "measure" },
	{ "gc", cmd_gc, "remove what dead commands and VMs left" },
	{ "doctor", cmd_doctor, "check what this machine can do" },
	{ "version", cmd_version, "print the version" },
};

static void print_help(FILE *out)
{
	fprintf(out, "Usage: vmfork VERB [options]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name,
			commands[i].help);
	fprintf(out, "\n'vmfork VERB --help' tells more.\n");
}

/*
 * Signals that end us become a descriptor, so that every wait can see them and
 * what was begun is undone. Threads inherit the mask.
 */
static int open_cancel_fd(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int report(const struct cmd *cmd, const struct vf_err *err)
{
	/* where it was interrupted is of no interest */
	fprintf(stderr, "vmfork: %s\n",
		err->num == ECANCELED ? "interrupted" : err->msg);
	if (err->hint[0])
		fprintf(stderr, "vmfork: hint: %s\n", err->hint);
	return cmd->usage_error ? CMD_EXIT_USAGE : CMD_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct cmd cmd = { .start_us = vf_now_us() };
	struct vf_err err = { 0 };
	int ret;

	/* "help VERB" is "VERB --help" */
	if (argc > 1 && !strcmp(argv[1], "help")) {
		memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof(*argv));
		argv[argc - 1] = (char *)"--help";
	}
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(argc < 2 ? stderr : stdout);
		return argc < 2 ? CMD_EXIT_USAGE : CMD_EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version"))
		argv[1] = (char *)"version";
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		cmd.name = commands[i].name;
		files_raise();
		cmd.cancel_fd = open_cancel_fd();
		ret = commands[i].fn(&cmd, argc - 1, argv + 1, &err);
		return ret < 0 ? report(&cmd, &err) : ret;
	}
	fprintf(stderr, "vmfork: %.64s: no such verb\n", argv[1]);
	fprintf(stderr, "vmfork: hint: %s\n",
		*argv[1] == '-' ? "options come after the verb"
				: "'vmfork --help' lists them");
	return CMD_EXIT_USAGE;
}
