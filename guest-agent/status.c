// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/if_addr.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "names.h"
#include "status.h"

/* A number of ours, so there is a name; but a record may be of another agent. */
static const char *known(const char *name)
{
	return name ? name : "?";
}

void status_begin(struct vmfork_status *status, enum vmfork_signal signal,
		  uint64_t now_ns)
{
	status->error = 0;
	status->step = VMFORK_STEP_NONE;
	status->reseed = VMFORK_RESEED_NONE;
	status->reseed_error = 0;
	status->reseed_ns = 0;
	status->detail = 0;
	status->clock_source = VMFORK_CLOCK_NONE;
	status->skew_before_ns = 0;
	status->skew_after_ns = 0;
	status->num_killed = 0;
	status->tasks_done = 0;
	status->tasks_failed = 0;
	status->signal = signal;
	memset(status->restore_id, 0, sizeof(status->restore_id));
	memset(status->time_ns, 0, sizeof(status->time_ns));
	memset(status->task_error, 0, sizeof(status->task_error));
	status_reach(status, VMFORK_STAGE_SIGNAL, now_ns);
}

void status_reach(struct vmfork_status *status, enum vmfork_stage stage,
		  uint64_t now_ns)
{
	status->stage = stage;
	status->time_ns[stage] = now_ns;
}

static void text_put(struct status_text *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void text_put(struct status_text *text, const char *fmt, ...)
{
	size_t room = text->size - text->len;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text->buf + text->len, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room)
		text->overflow = true;
	else
		text->len += (size_t)len;
}

void status_format_string(struct status_text *text, const char *str)
{
	text_put(text, "\"");
	for (; *str; str++) {
		unsigned char c = (unsigned char)*str;

		if (c == '"' || c == '\\')
			text_put(text, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			text_put(text, "\\u%04x", c);
		else
			text_put(text, "%c", c);
	}
	text_put(text, "\"");
}

static void format_addrs(struct status_text *text, const struct netstate *net,
			 int index, uint8_t family)
{
	const struct nlmsghdr *at = NULL;
	char name[INET6_ADDRSTRLEN];
	const char *comma = "";

	while ((at = netstate_next(&net->addrs, at))) {
		const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(at);
		const struct nlattr *attr;

		if (ifa->ifa_family != family || netstate_ifindex(at) != index)
			continue;
		attr = netstate_attr(at, sizeof(*ifa), IFA_LOCAL);
		if (!attr)
			attr = netstate_attr(at, sizeof(*ifa), IFA_ADDRESS);
		if (!attr || !inet_ntop(family, mnl_attr_get_payload(attr),
					name, sizeof(name)))
			continue;
		text_put(text, "%s\"%s/%u\"", comma, name, ifa->ifa_prefixlen);
		comma = ",";
	}
}

static void format_link(struct status_text *text, const struct netstate *net,
			const struct netstate_link *link)
{
	const uint8_t *mac = link->mac;

	text_put(text, "{\"name\":");
	status_format_string(text, link->name);
	text_put(text, ",\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"ipv4\":[",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	format_addrs(text, net, link->index, AF_INET);
	text_put(text, "],\"ipv6\":[");
	format_addrs(text, net, link->index, AF_INET6);
	text_put(text, "]}");
}

static void format_times(struct status_text *text,
			 const struct vmfork_status *status)
{
	for (unsigned int i = VMFORK_STAGE_SIGNAL; i < VMFORK_STAGE_NUM; i++) {
		text_put(text, "%s\"%s\":", i > VMFORK_STAGE_SIGNAL ? "," : "",
			 known(vmfork_stage_name(i)));
		if (status->time_ns[i])
			text_put(text, "%" PRIu64,
				 (uint64_t)status->time_ns[i]);
		else
			text_put(text, "null");
	}
}

static void format_restore(struct status_text *text,
			   const struct vmfork_status *status)
{
	text_put(text, "{\"generation\":%" PRIu64 ",\"restore_id\":\"",
		 (uint64_t)status->generation);
	for (unsigned int i = 0; i < VMFORK_ID_LEN; i++)
		text_put(text, "%02x", status->restore_id[i]);
	text_put(text, "\",\"signal\":\"%s\",\"stage\":\"%s\",\"error\":",
		 known(vmfork_signal_name(status->signal)),
		 known(vmfork_stage_name(status->stage)));
	if (status->error)
		status_format_string(text, strerror((int)status->error));
	else
		text_put(text, "null");
	text_put(text, ",\"errno\":%u,\"step\":", status->error);
	if (status->step)
		text_put(text, "\"%s\"", known(vmfork_step_name(status->step)));
	else
		text_put(text, "null");
}

static void format_name(struct status_text *text, const char *key,
			const char *name)
{
	text_put(text, ",\"%s\":", key);
	if (*name)
		status_format_string(text, name);
	else
		text_put(text, "null");
}

static void format_who(struct status_text *text,
		       const struct statedir_record *record)
{
	char hostname[VMFORK_NAME_MAX + 1] = "";

	gethostname(hostname, sizeof(hostname) - 1);
	format_name(text, "name", record->name);
	format_name(text, "parent", record->parent);
	format_name(text, "hostname", hostname);
}

/* Of what may be before or after: signed; null: not known. */
static void format_us(struct status_text *text, const char *key, bool is_known,
		      uint64_t ns)
{
	if (is_known)
		text_put(text, ",\"%s\":%" PRId64, key, (int64_t)ns / 1000);
	else
		text_put(text, ",\"%s\":null", key);
}

static void format_clock(struct status_text *text,
			 const struct vmfork_status *status)
{
	uint32_t bit = 1U << VMFORK_TASK_CLOCK;
	bool is_known = (status->tasks_done | status->tasks_failed) & bit;

	text_put(text, ",\"clock\":\"%s\"",
		 known(vmfork_clock_name(status->clock_source)));
	format_us(text, "skew_before_us", is_known, status->skew_before_ns);
	format_us(text, "skew_after_us", is_known, status->skew_after_ns);
}

/* The window: how long the workload could draw its parent's numbers. */
static void format_reseed(struct status_text *text,
			  const struct statedir_record *record)
{
	const struct vmfork_status *status = &record->status;

	text_put(text, ",\"reseed\":\"%s\"",
		 known(vmfork_reseed_name(status->reseed)));
	format_us(text, "reseed_window_us",
		  record->snapshot_ns && status->reseed_ns,
		  status->reseed_ns - record->snapshot_ns);
}

static void format_tasks(struct status_text *text,
			 const struct vmfork_status *status)
{
	text_put(text, ",\"tasks\":{");
	for (unsigned int i = 0; i < VMFORK_TASK_NUM; i++) {
		const char *result = "none";

		if (status->tasks_failed & 1U << i)
			result = "failed";
		else if (status->tasks_done & 1U << i)
			result = "done";
		text_put(text, "%s\"%s\":\"%s\"", i ? "," : "",
			 known(vmfork_task_name(i)), result);
	}
	text_put(text, "},\"settled\":%s",
		 status->stage == VMFORK_STAGE_SETTLED ? "true" : "false");
}

void status_format(struct status_text *text,
		   const struct statedir_record *record, uint64_t gpa,
		   const struct netstate *net)
{
	const struct vmfork_status *status = &record->status;

	format_restore(text, status);
	format_who(text, record);
	format_reseed(text, record);
	format_clock(text, status);
	format_tasks(text, status);
	text_put(text, ",\"gpa\":%" PRIu64 ",\"interfaces\":[", gpa);
	for (unsigned int i = 0; i < net->num_links; i++) {
		if (i)
			text_put(text, ",");
		format_link(text, net, &net->links[i]);
	}
	text_put(text, "],\"timestamps_ns\":{");
	format_times(text, status);
	text_put(text, "}}\n");
}
