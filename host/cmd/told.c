// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/told.h"

#define HOOKS_TIMEOUT_S	    30
#define HOOKS_TIMEOUT_S_MAX (VMFORK_HOOKS_MS_MAX / 1000)

void told_opts(struct opt opts[TOLD_OPTS], struct told_words *w)
{
	const struct opt table[] = {
		{ "hostname", 0, OPT_STRING, &w->hostname, "TEMPLATE",
		  "their host names ({name})" },
		{ "no-hostname", 0, OPT_FLAG, &w->no_hostname, NULL,
		  "leave their host names" },
		{ "dns", 0, OPT_WORDS, &w->dns, "ADDR",
		  "who resolves names for them, up to 3 times" },
		{ "search", 0, OPT_WORDS, &w->search, "DOMAIN",
		  "where they look names up, several times" },
		{ "keep-machine-id", 0, OPT_FLAG, &w->keep_machine_id, NULL,
		  "leave their parent's machine id" },
		{ "no-clock", 0, OPT_FLAG, &w->no_clock, NULL,
		  "leave their wall clocks" },
		{ "keep-tcp", 0, OPT_FLAG, &w->keep_tcp, NULL,
		  "leave their parent's TCP connections" },
		{ "hooks", 0, OPT_STRING, &w->hooks, "ignore|fail",
		  "what a hook that fails there means (ignore)" },
		{ "hooks-timeout", 0, OPT_UINT, &w->hooks_timeout_s, "SECONDS",
		  "how long all hooks may take (30)" },
		{ "payload", 0, OPT_STRING, &w->payload, "FILE",
		  "for the workload of each, up to 2048 bytes" },
		{ "payload-dir", 0, OPT_STRING, &w->payload_dir, "DIR",
		  "the same, from a file named as the fork" },
		{ 0 },
	};

	static_assert(ARRAY_SIZE(table) == TOLD_OPTS, "options");
	*w = (struct told_words){ .hooks_timeout_s = HOOKS_TIMEOUT_S };
	memcpy(opts, table, sizeof(table));
}

static int parse_dns(struct cmd *cmd, struct identity_guest *guest,
		     const struct opt_words *dns, struct vf_err *err)
{
	if (dns->num > IDENTITY_DNS_MAX)
		return cmd_usage_error(cmd, err, "--dns: more than %d",
				       IDENTITY_DNS_MAX);
	for (unsigned int i = 0; i < dns->num; i++) {
		const char *word = dns->word[i];

		if (inet_pton(AF_INET, word, guest->dns4[guest->num_dns4]) == 1)
			guest->num_dns4++;
		else if (inet_pton(AF_INET6, word,
				   guest->dns6[guest->num_dns6]) == 1)
			guest->num_dns6++;
		else
			return cmd_usage_error(
				cmd, err, "--dns '%s': not an address", word);
	}
	return 0;
}

static int parse_search(struct cmd *cmd, struct identity_guest *guest,
			const struct opt_words *search, struct vf_err *err)
{
	size_t len = 0;

	for (unsigned int i = 0; i < search->num; i++) {
		const char *word = search->word[i];
		size_t room = sizeof(guest->search) - len;

		if (!*word || strchr(word, ' '))
			return cmd_usage_error(
				cmd, err, "--search '%s': not a domain", word);
		len += (size_t)snprintf(guest->search + len, room, "%s%s",
					i ? " " : "", word);
		if (len >= sizeof(guest->search))
			return cmd_usage_error(
				cmd, err, "--search: more than %d bytes in all",
				VMFORK_SEARCH_MAX);
	}
	return 0;
}

static int parse_hooks(struct cmd *cmd, struct identity_guest *guest,
		       const struct told_words *w, struct vf_err *err)
{
	const char *policy = w->hooks ? w->hooks : "ignore";

	if (strcmp(policy, "ignore") != 0 && strcmp(policy, "fail") != 0)
		return cmd_usage_error(cmd, err,
				       "--hooks '%s': neither ignore nor fail",
				       policy);
	if (w->hooks_timeout_s < 1 || w->hooks_timeout_s > HOOKS_TIMEOUT_S_MAX)
		return cmd_usage_error(cmd, err, "--hooks-timeout: not 1 to %d",
				       HOOKS_TIMEOUT_S_MAX);
	guest->has_hooks = true;
	guest->hooks.policy = *policy == 'f' ? VMFORK_POLICY_FAIL
					     : VMFORK_POLICY_IGNORE;
	guest->hooks.timeout_ms = w->hooks_timeout_s * 1000;
	return 0;
}

static int check_pairs(struct cmd *cmd, const struct told_words *w,
		       struct vf_err *err)
{
	if (w->hostname && w->no_hostname)
		return cmd_usage_error(cmd, err,
				       "--hostname and --no-hostname: one of "
				       "the two");
	if (w->payload && w->payload_dir)
		return cmd_usage_error(cmd, err,
				       "--payload and --payload-dir: one of "
				       "the two");
	return 0;
}

int told_parse(struct cmd *cmd, struct told *told, const struct told_words *w,
	       struct vf_err *err)
{
	struct vf_err why;
	int ret;

	*told = (struct told){
		.hostname = w->hostname,
		.no_hostname = w->no_hostname,
		.keep_machine_id = w->keep_machine_id,
		.no_clock = w->no_clock,
		.payload = w->payload,
		.payload_dir = w->payload_dir,
		.all.keep_tcp = w->keep_tcp,
	};
	ret = check_pairs(cmd, w, err);
	if (!ret)
		ret = parse_dns(cmd, &told->all, &w->dns, err);
	if (!ret)
		ret = parse_search(cmd, &told->all, &w->search, err);
	if (!ret)
		ret = parse_hooks(cmd, &told->all, w, err);
	if (!ret && told_check(told, &why) < 0)
		ret = cmd_usage_error(cmd, err, "%s", why.msg);
	return ret;
}
