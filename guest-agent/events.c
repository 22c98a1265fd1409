// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "events.h"
#include "report.h"
#include "requests.h"
#include "settle.h"

#define POST_RESTORE_DIR "/etc/vmfork/post-restore.d"
#define PRE_SNAPSHOT_DIR "/etc/vmfork/pre-snapshot.d"
#define DEFAULT_MS	 30000

static void fact(struct events_facts *facts, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void fact(struct events_facts *facts, const char *fmt, ...)
{
	size_t room = sizeof(facts->text) - facts->len;
	va_list ap;
	int len;

	if (facts->num == EVENTS_FACTS_MAX)
		return;
	va_start(ap, fmt);
	len = vsnprintf(facts->text + facts->len, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room)
		return;
	facts->env[facts->num++] = facts->text + facts->len;
	facts->env[facts->num] = NULL;
	facts->len += (size_t)len + 1;
}

static void fact_addr(struct events_facts *facts, const char *name, int family,
		      const void *addr, unsigned int prefix_len)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(family, addr, text, sizeof(text)))
		fact(facts, "VMFORK_%s=%s/%u", name, text, prefix_len);
}

static void facts_identity(struct events_facts *facts,
			   const struct agent *agent)
{
	const struct vmfork_identity *id = &agent->id;
	const struct identity_link *link = &id->link[0];
	const uint8_t *mac = agent->result.links[0].mac;

	if (id->guest.name[0])
		fact(facts, "VMFORK_NAME=%s", id->guest.name);
	if (id->guest.parent[0])
		fact(facts, "VMFORK_PARENT=%s", id->guest.parent);
	if (!id->num_links)
		return;
	fact(facts, "VMFORK_MAC=%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
	     mac[2], mac[3], mac[4], mac[5]);
	if (link->num_addr4)
		fact_addr(facts, "IPV4", AF_INET, link->addr4[0].addr,
			  link->addr4[0].prefix_len);
	if (link->num_addr6)
		fact_addr(facts, "IPV6", AF_INET6, link->addr6[0].addr,
			  link->addr6[0].prefix_len);
}

void events_facts(struct events_facts *facts, const struct agent *agent,
		  const char *event)
{
	const struct vmfork_status *status = &agent->record.status;
	char hex[2 * VMFORK_ID_LEN + 1], host[VMFORK_NAME_MAX + 1] = "";

	*facts = (struct events_facts){ 0 };
	for (unsigned int i = 0; i < VMFORK_ID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", status->restore_id[i]);
	fact(facts, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		    "/sbin:/bin");
	fact(facts, "VMFORK_EVENT=%s", event);
	fact(facts, "VMFORK_GENERATION=%" PRIu64, (uint64_t)status->generation);
	fact(facts, "VMFORK_RESTORE_ID=%s", hex);
	if (!gethostname(host, sizeof(host) - 1))
		fact(facts, "VMFORK_HOSTNAME=%s", host);
	fact(facts, "VMFORK_SKEW_US=%" PRId64,
	     (int64_t)status->skew_before_ns / 1000);
	/* of mail that was refused nothing is true */
	if (!status->error)
		facts_identity(facts, agent);
}

static int run(struct agent *agent, struct hooks_run *how, const char *event,
	       bool is_backwards)
{
	how->input = STATUS_DIR "/" STATUS_JSON;
	how->env = agent->facts.env;
	how->arg = agent;
	report_now(agent); /* it is their standard input */
	events_facts(&agent->facts, agent, event);
	return is_backwards ? hooks_start_backwards(&agent->hooks, how)
			    : hooks_start(&agent->hooks, how);
}

static void restored_cb(void *arg, int ret)
{
	settle_done(arg, VMFORK_TASK_HOOKS, ret);
	requests_go_on(arg);
}

int events_restored(struct agent *agent)
{
	const struct identity_guest *guest = &agent->id.guest;
	struct hooks_run how = { .dir = POST_RESTORE_DIR,
				 .policy = VMFORK_POLICY_IGNORE,
				 .timeout_ms = DEFAULT_MS,
				 .cb = restored_cb };
	int ret;

	if (guest->has_hooks) {
		how.policy = guest->hooks.policy;
		how.timeout_ms = guest->hooks.timeout_ms;
	}
	if (access(how.dir, F_OK) < 0)
		return SETTLE_NOTHING;
	ret = run(agent, &how, "post-restore", false);
	if (ret == HOOKS_LATER)
		return SETTLE_LATER;
	return ret < 0 || agent->hooks.num ? ret : SETTLE_NOTHING;
}

void events_restored_stop(struct agent *agent)
{
	hooks_stop(&agent->hooks);
}

int events_prepare(struct agent *agent, enum vmfork_policy policy,
		   uint64_t timeout_ms, hooks_cb cb)
{
	struct hooks_run how = { .dir = PRE_SNAPSHOT_DIR,
				 .argument = "prepare",
				 .policy = policy,
				 .timeout_ms = timeout_ms,
				 .cb = cb };

	if (access(how.dir, F_OK) < 0)
		return 0;
	return run(agent, &how, "pre-snapshot", false);
}

int events_release(struct agent *agent, hooks_cb cb)
{
	struct hooks_run how = { .dir = PRE_SNAPSHOT_DIR,
				 .argument = "release",
				 .policy = VMFORK_POLICY_IGNORE,
				 .timeout_ms = DEFAULT_MS,
				 .cb = cb };

	if (!agent->hooks.num_ran)
		return 0;
	return run(agent, &how, "pre-snapshot", true);
}
