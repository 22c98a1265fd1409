// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "log.h"
#include "monotonic.h"
#include "names.h"
#include "report.h"

#define AT_LATEST_NS (30 * NS_PER_MS)

int report_format(struct agent *agent)
{
	struct status_text text = { .buf = agent->json,
				    .size = sizeof(agent->json) };

	netcfg_refresh(&agent->netcfg);
	status_format(&text, &agent->record, agent->mailbox.gpa,
		      &agent->netcfg.saved);
	return text.overflow ? -E2BIG : (int)text.len;
}

static void log_restore(const struct vmfork_status *status)
{
	const uint64_t *at = (const uint64_t *)status->time_ns;
	/* the mail may be one that came before the restore: see restore_boot() */
	uint64_t from = at[VMFORK_STAGE_MAIL] ? at[VMFORK_STAGE_MAIL]
					      : at[VMFORK_STAGE_SIGNAL];

	if (status->error)
		log_line(LOG_ERROR, "generation %llu by %s failed: %s: %s",
			 (unsigned long long)status->generation,
			 vmfork_signal_name(status->signal),
			 vmfork_step_name(status->step),
			 strerror((int)status->error));
	else
		log_line(LOG_INFO, "generation %llu by %s: applied in %llu us",
			 (unsigned long long)status->generation,
			 vmfork_signal_name(status->signal),
			 (unsigned long long)(at[VMFORK_STAGE_APPLIED] - from) /
				 1000);
}

void report_now(struct agent *agent)
{
	int ret = report_format(agent);

	if (ret >= 0)
		ret = statedir_write(&agent->dir, STATUS_JSON, 0644,
				     agent->json, (size_t)ret);
	if (!ret)
		ret = statedir_save(&agent->dir, &agent->record);
	if (ret < 0)
		log_line(LOG_ERROR, STATUS_DIR ": %s", strerror(-ret));
	if (agent->is_unlogged)
		log_restore(&agent->record.status);
	agent->is_unlogged = false;
	agent->report_timer.due_ns = 0;
}

static void report_cb(void *arg)
{
	report_now(arg);
}

void report_soon(struct agent *agent)
{
	if (!agent->report_timer.due_ns)
		agent->report_timer.due_ns = monotonic_ns() + AT_LATEST_NS;
}

int report_init(struct agent *agent)
{
	return loop_add_timer(&agent->loop, &agent->report_timer, report_cb,
			      agent);
}
