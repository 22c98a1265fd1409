// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "armed.h"
#include "entropy.h"
#include "events.h"
#include "log.h"
#include "monotonic.h"
#include "requests.h"
#include "restore.h"
#include "settle.h"

#define RELEASE_NS  (30 * NS_PER_S) /* its answer, where the host says nothing */
#define RESTORED_NS (100 * NS_PER_MS)

static void answer(struct agent *agent, uint32_t counter, int ret)
{
	struct vmfork_status *status = &agent->record.status;

	status->request_seen = counter;
	status->request_result = (uint32_t)-ret;
	status->request_ns = monotonic_ns();
	mailbox_publish(&agent->mailbox, status);
}

/* The answer to what takes its time, once: it is done, or the time is over. */
static void answer_owed(struct agent *agent, int ret)
{
	struct requests *requests = &agent->requests;

	if (!requests->is_owed)
		return;
	requests->is_owed = false;
	answer(agent, requests->owed_counter, ret);
}

static void owe(struct requests *requests, uint32_t counter,
		uint64_t timeout_ns)
{
	requests->is_owed = true;
	requests->owed_counter = counter;
	requests->result = 0;
	requests->end_ns = monotonic_ns() + timeout_ns;
	requests->timer.due_ns = requests->end_ns;
}

/* Return: 0, 1 if nothing was held, -errno */
static int thaw(struct requests *requests)
{
	int disks = disks_thaw(&requests->disks);
	int cgroup = freeze_undo(&requests->freeze);
	int ret = disks < 0 ? disks : cgroup;

	if (ret < 0)
		log_line(LOG_ERROR, "not all is thawed: %s", strerror(-ret));
	return ret < 0 ? ret : disks && cgroup;
}

static void prepare_begin(struct agent *agent);

static void released_cb(void *arg, int ret)
{
	struct agent *agent = arg;
	struct requests *requests = &agent->requests;

	(void)ret; /* logged */
	if (requests->state == REQUESTS_WAITING) {
		prepare_begin(agent);
		return;
	}
	requests->state = REQUESTS_IDLE;
	requests->timer.due_ns = 0;
	answer_owed(agent, requests->result);
}

/* @ret: what the answer that is owed will say */
static void let_go(struct agent *agent, int ret)
{
	struct requests *requests = &agent->requests;
	int thawed = thaw(requests);

	requests->result = ret < 0 ? ret : thawed < 0 ? thawed : 0;
	requests->state = REQUESTS_RELEASING;
	ret = events_release(agent, released_cb);
	if (ret != HOOKS_LATER)
		released_cb(agent, ret);
}

static void hold(struct agent *agent)
{
	struct requests *requests = &agent->requests;

	requests->state = REQUESTS_HELD;
	requests->timer.due_ns =
		monotonic_ns() + requests->asked.hold_ms * NS_PER_MS;
	answer_owed(agent, 0);
}

static void frozen_cb(void *arg, int ret)
{
	struct agent *agent = arg;
	struct requests *requests = &agent->requests;
	/* a log file and the status file, should they lie on a disk */
	const int spared[] = { STDERR_FILENO, agent->dir.dir_fd };

	if (!ret && requests->asked.flags & VMFORK_PREPARE_QUIESCE)
		ret = disks_freeze(&requests->disks, spared, 2);
	if (!ret && monotonic_ns() >= requests->end_ns)
		ret = -ETIMEDOUT;
	if (ret < 0)
		let_go(agent, ret);
	else
		hold(agent);
}

static void prepared_cb(void *arg, int ret)
{
	struct agent *agent = arg;

	if (!ret)
		ret = freeze_start(&agent->requests.freeze, frozen_cb, agent);
	if (ret != FREEZE_LATER)
		frozen_cb(agent, ret);
}

static void prepare_begin(struct agent *agent)
{
	struct requests *requests = &agent->requests;
	uint64_t now = monotonic_ns(), left_ms = 1;
	int ret = 0;

	requests->state = REQUESTS_PREPARING;
	if (requests->end_ns > now)
		left_ms += (requests->end_ns - now) / NS_PER_MS;
	agent->hooks.num_ran = 0;
	if (requests->asked.flags & VMFORK_PREPARE_QUIESCE)
		ret = events_prepare(agent, requests->asked.policy, left_ms,
				     prepared_cb);
	if (ret != HOOKS_LATER)
		prepared_cb(agent, ret);
}

void requests_go_on(struct agent *agent)
{
	if (agent->requests.state == REQUESTS_WAITING &&
	    !hooks_is_busy(&agent->hooks))
		prepare_begin(agent);
}

static bool is_ms(uint32_t ms)
{
	return ms >= 1 && ms <= VMFORK_HOOKS_MS_MAX;
}

static bool is_valid(const struct vmfork_request *request)
{
	return !(request->flags & ~VMFORK_PREPARE_QUIESCE) &&
	       request->policy < VMFORK_POLICY_NUM &&
	       is_ms(request->timeout_ms) && is_ms(request->hold_ms);
}

static void prepare(struct agent *agent, const struct vmfork_request *request)
{
	struct requests *requests = &agent->requests;
	bool is_covered = !(request->flags & ~requests->asked.flags);

	if (!is_valid(request)) {
		answer(agent, request->counter, -EINVAL);
		return;
	}
	if (requests->state == REQUESTS_PREPARING && !is_covered) {
		answer(agent, request->counter, -EBUSY);
		return;
	}
	/* who asked before has given up: this is asked instead */
	owe(requests, request->counter, request->timeout_ms * NS_PER_MS);
	if (requests->state == REQUESTS_HELD && !is_covered) {
		thaw(requests); /* no hooks ran for it */
		requests->state = REQUESTS_IDLE;
	}
	if (requests->state == REQUESTS_PREPARING ||
	    requests->state == REQUESTS_HELD) {
		requests->asked.timeout_ms = request->timeout_ms;
		requests->asked.hold_ms = request->hold_ms;
		if (requests->state == REQUESTS_HELD)
			hold(agent);
		return;
	}
	requests->asked = *request;
	requests->state = REQUESTS_WAITING;
	requests_go_on(agent);
}

static void release(struct agent *agent, const struct vmfork_request *request)
{
	struct requests *requests = &agent->requests;
	uint64_t timeout_ns = RELEASE_NS;

	if (is_ms(request->timeout_ms))
		timeout_ns = request->timeout_ms * NS_PER_MS;
	owe(requests, request->counter, timeout_ns);
	switch (requests->state) {
	case REQUESTS_IDLE:
	case REQUESTS_WAITING:
		requests->state = REQUESTS_IDLE;
		requests->timer.due_ns = 0;
		answer_owed(agent, 0);
		break;
	case REQUESTS_PREPARING:
		hooks_stop(&agent->hooks);
		let_go(agent, 0);
		break;
	case REQUESTS_HELD:
		let_go(agent, 0);
		break;
	case REQUESTS_RELEASING:
		break; /* its hooks run: released_cb() answers */
	}
}

/* A fork of that moment: what else tells of the same restore comes later. */
static void wake(struct agent *agent)
{
	signals_account(&agent->signals, VMFORK_SIGNAL_ARMED);
	restore_wake(agent, VMFORK_SIGNAL_ARMED);
}

/* One whose page is not armed, or that is at work, has better to do. */
static bool is_free(const struct agent *agent)
{
	enum requests_state state = agent->requests.state;

	return agent->is_armed && restore_is_over(agent) &&
	       (state == REQUESTS_IDLE || state == REQUESTS_HELD);
}

static void arm(struct agent *agent, const struct vmfork_request *request)
{
	struct vmfork_status *status = &agent->record.status;
	enum armed_end end;

	if (request->spin_us < 1 || request->spin_us > VMFORK_ARM_US_MAX) {
		answer(agent, request->counter, -EINVAL);
		return;
	}
	if (!is_free(agent)) {
		answer(agent, request->counter, -EBUSY);
		return;
	}
	status->spinning = 1;
	answer(agent, request->counter, 0);
	end = armed_spin(&agent->mailbox,
			 status->request_ns + request->spin_us * 1000ULL);
	status->spinning = 0;
	if (end == ARMED_MAIL) {
		wake(agent);
		return;
	}
	mailbox_publish(&agent->mailbox, status);
	if (end == ARMED_ASKED)
		agent->check_timer.due_ns = monotonic_ns();
}

void requests_look(struct agent *agent)
{
	struct vmfork_request request;

	/* the task sorts out what was asked of the source, and what of the fork */
	if (agent->settle.pending & SETTLE_BIT(VMFORK_TASK_THAW))
		return;
	if (!mailbox_next_request(&agent->mailbox, &request))
		return;
	if (request.op == VMFORK_REQUEST_PROBE)
		answer(agent, request.counter, 0);
	else if (request.op == VMFORK_REQUEST_PREPARE)
		prepare(agent, &request);
	else if (request.op == VMFORK_REQUEST_RELEASE)
		release(agent, &request);
	else if (request.op == VMFORK_REQUEST_ARM)
		arm(agent, &request);
	else
		answer(agent, request.counter, -EOPNOTSUPP);
}

/* Of a restore that was noticed: is requests_thaw() still to come? */
static bool is_restoring(const struct agent *agent)
{
	return agent->wait_end_ns || agent->mail_timer.due_ns ||
	       agent->settle.pending & SETTLE_BIT(VMFORK_TASK_THAW) ||
	       mailbox_has_mail(&agent->mailbox);
}

/*
 * The hold is over. In a fork the workload waits until the random numbers are
 * its own, and hooks are not told of a release. One that nothing tells of its
 * restore takes itself for the source: so that is reseeded as well.
 */
static void hold_end(struct agent *agent)
{
	struct requests *requests = &agent->requests;
	struct vmfork_status unsaid = { 0 };

	if (is_restoring(agent)) {
		requests->timer.due_ns = monotonic_ns() + RESTORED_NS;
		return;
	}
	entropy_reseed(agent->random_fd, NULL, &unsaid);
	log_line(LOG_ERROR, "no release after %u ms: all goes on",
		 requests->asked.hold_ms);
	let_go(agent, 0);
}

static void timer_cb(void *arg)
{
	struct agent *agent = arg;
	struct requests *requests = &agent->requests;

	switch (requests->state) {
	case REQUESTS_IDLE:
		break;
	case REQUESTS_WAITING:
		requests->state = REQUESTS_IDLE;
		answer_owed(agent, -ETIMEDOUT);
		break;
	case REQUESTS_PREPARING:
		hooks_stop(&agent->hooks);
		let_go(agent, -ETIMEDOUT);
		answer_owed(agent, -ETIMEDOUT);
		break;
	case REQUESTS_HELD:
		hold_end(agent);
		break;
	case REQUESTS_RELEASING:
		answer_owed(agent,
			    requests->result ? requests->result : -ETIMEDOUT);
		break;
	}
}

/*
 * What the source was asked, and did not answer before its snapshot, is not
 * asked of the fork; a host that means the fork hears so, and asks again.
 */
static void requests_forget(struct agent *agent)
{
	struct vmfork_request request;

	answer_owed(agent, -ECANCELED);
	if (!mailbox_next_request(&agent->mailbox, &request))
		return;
	answer(agent, request.counter,
	       request.op == VMFORK_REQUEST_PREPARE ? -ECANCELED : 0);
}

int requests_thaw(struct agent *agent)
{
	struct requests *requests = &agent->requests;
	int ret = thaw(requests);

	if (requests->state != REQUESTS_IDLE)
		hooks_stop(&agent->hooks);
	agent->hooks.num_ran = 0;
	requests->state = REQUESTS_IDLE;
	requests->timer.due_ns = 0;
	requests_forget(agent);
	return ret == 1 ? SETTLE_NOTHING : ret;
}

int requests_init(struct agent *agent)
{
	agent->requests.freeze.loop = &agent->loop;
	agent->requests.freeze.dir_fd = agent->dir.dir_fd;
	disks_init(&agent->requests.disks, agent->dir.dir_fd);
	return loop_add_timer(&agent->loop, &agent->requests.timer, timer_cb,
			      agent);
}

void requests_recover(struct agent *agent)
{
	disks_recover(&agent->requests.disks);
	freeze_recover(&agent->requests.freeze);
}

void requests_exit(struct agent *agent)
{
	hooks_stop(&agent->hooks);
	thaw(&agent->requests);
}
