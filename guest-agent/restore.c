// SPDX-License-Identifier: MIT
/*
 * The hot path, from restore_wake() to tell(): it allocates nothing, touches no
 * file and logs nothing. Everything else waits until the acknowledgement left.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "announce.h"
#include "entropy.h"
#include "monotonic.h"
#include "report.h"
#include "restore.h"

#define WAIT_FOR_MAIL_NS (1 * NS_PER_S)
#define FIRST_PAUSE_NS	 (1 * NS_PER_MS)
#define WAIT_FOR_LINK_NS (10 * NS_PER_S) /* at boot */
#define LINK_PAUSE_NS	 (50 * NS_PER_MS)
#define ARM_AT_LATEST_NS (1 * NS_PER_S)

static struct vmfork_status *status_of(struct agent *agent)
{
	return &agent->record.status;
}

static void begin(struct agent *agent, enum vmfork_signal signal,
		  uint64_t now_ns)
{
	agent->record.snapshot_ns = 0;
	agent->record.is_settled = 0;
	status_begin(status_of(agent), signal, now_ns);
}

static void publish(struct agent *agent)
{
	mailbox_publish(&agent->mailbox, status_of(agent));
}

static void fail(struct agent *agent, enum vmfork_step step, int error)
{
	status_of(agent)->step = step;
	status_of(agent)->error = (uint32_t)error;
}

void restore_arm(struct agent *agent)
{
	agent->arm_timer.due_ns = 0;
	/* mail of a fork of this restore: the check takes it at once */
	if (mailbox_arm(&agent->mailbox) == -EAGAIN) {
		agent->check_timer.due_ns = monotonic_ns();
		return;
	}
	agent->is_armed = true;
	agent->armed_ns = monotonic_ns();
}

static void ack_next(struct agent *agent)
{
	agent->ack_timer.due_ns = ack_send(&agent->ack, status_of(agent),
					   agent->mailbox.gpa,
					   agent->mailbox.arm_seq);
}

static void tell(struct agent *agent, enum vmfork_ack_kind kind)
{
	ack_begin(&agent->ack, kind);
	ack_next(agent);
}

/*
 * After the acknowledgement: in a fork it costs as much as that does, and who
 * waits for it hears of the address by the datagram itself, or by the request
 * that goes before it where the gateway's address has to be asked for. Networks
 * of the host's know each port beforehand.
 */
static void announce(struct agent *agent)
{
	announce_identity(agent->announce_fd, &agent->id, &agent->result);
}

/*
 * A link that was down comes up some time after it is told to, as a rule at
 * boot: what was announced before is lost, as the acknowledgement was.
 */
static void ack_cb(void *arg)
{
	struct agent *agent = arg;

	if (agent->ack.kind == VMFORK_ACK_ARMED)
		announce(agent);
	ack_next(agent);
}

/*
 * Check and decode the private copy.
 * Return: 0 or -errno, with the failure noted
 */
static int mail_open(struct agent *agent, uint64_t arm_seq)
{
	struct vmfork_status *status = status_of(agent);
	uint32_t detail;
	int ret;

	memcpy(status->restore_id, agent->mail.restore_id, VMFORK_ID_LEN);
	ack_set_peer(&agent->ack, &agent->mail, NULL);
	ret = mail_check(&agent->mail, arm_seq);
	if (ret < 0) {
		fail(agent, VMFORK_STEP_VERIFY, -ret);
		return ret;
	}
	ret = identity_decode(&agent->id, agent->mail.payload,
			      agent->mail.payload_len, &detail);
	if (ret < 0) {
		status->detail = detail;
		fail(agent, VMFORK_STEP_DECODE, -ret);
		return ret;
	}
	ack_set_peer(&agent->ack, &agent->mail, &agent->id);
	return 0;
}

/* Of what was decoded only the workload's payload is still in the copy. */
static void mail_erase(struct agent *agent, bool has_id)
{
	uint8_t *payload = agent->mail.payload;
	size_t at = sizeof(agent->mail.payload), len = 0;

	if (has_id && agent->id.guest.payload) {
		at = (size_t)(agent->id.guest.payload - payload);
		len = agent->id.guest.payload_len;
	}
	explicit_bzero(payload, at);
	explicit_bzero(payload + at + len,
		       sizeof(agent->mail.payload) - at - len);
}

/* Nobody will want them: neither the workload's payload nor the host's bytes. */
static void secrets_erase(struct agent *agent)
{
	struct identity_guest *guest = &agent->id.guest;

	mail_erase(agent, false);
	explicit_bzero(guest->entropy, sizeof(guest->entropy));
	guest->has_entropy = false;
	guest->payload = NULL;
	guest->payload_len = 0;
}

/* The host's bytes for it are erased, wherever they were. */
static void reseed(struct agent *agent, struct identity_guest *guest)
{
	bool has_bytes = guest && guest->has_entropy;

	entropy_reseed(agent->random_fd, has_bytes ? guest->entropy : NULL,
		       status_of(agent));
}

static int mail_apply(struct agent *agent)
{
	struct vmfork_status *status = status_of(agent);
	int ret;

	ret = netcfg_apply(&agent->netcfg, &agent->id, &agent->result);
	if (ret < 0) {
		fail(agent, agent->result.step, agent->result.error);
		return ret;
	}
	fail(agent, VMFORK_STEP_NONE, 0); /* an earlier try may have */
	memcpy(status->restore_id, agent->mail.restore_id, VMFORK_ID_LEN);
	memcpy(agent->record.applied_id, agent->mail.restore_id, VMFORK_ID_LEN);
	status_reach(status, VMFORK_STAGE_APPLIED, monotonic_ns());
	publish(agent);
	return 0;
}

/* Off the hot path: what the next agent has to know. */
static void remember(struct agent *agent)
{
	struct statedir_record *record = &agent->record;
	const struct identity_guest *guest = &agent->id.guest;

	static_assert(sizeof(record->name) > sizeof(guest->name), "name");
	memset(record->name, 0, sizeof(record->name));
	memcpy(record->name, guest->name, sizeof(guest->name));
	memset(record->parent, 0, sizeof(record->parent));
	memcpy(record->parent, guest->parent, sizeof(guest->parent));
}

static void restore_end(struct agent *agent, int ret)
{
	if (ret < 0)
		publish(agent);
	tell(agent, ret < 0 ? VMFORK_ACK_FAILED : VMFORK_ACK_APPLIED);
	if (!ret)
		announce(agent);
	if (!ret && agent->ack.has_peer)
		agent->arm_timer.due_ns = monotonic_ns() + ARM_AT_LATEST_NS;
	else
		restore_arm(agent);
	if (!ret)
		remember(agent);
	report_soon(agent);
	settle_begin(agent, ret < 0 ? SETTLE_FAILED : SETTLE_ALL);
}

static void boot_end(struct agent *agent, int ret)
{
	if (ret < 0)
		publish(agent);
	tell(agent, ret < 0 ? VMFORK_ACK_FAILED : VMFORK_ACK_ARMED);
	report_soon(agent);
	if (ret < 0) {
		ready_tell(&agent->ready);
		return;
	}
	announce(agent);
	remember(agent);
	settle_begin(agent, SETTLE_BOOT);
}

static void mail_end(struct agent *agent, int ret)
{
	agent->link_end_ns = 0;
	if (ret < 0)
		secrets_erase(agent);
	if (status_of(agent)->signal == VMFORK_SIGNAL_BOOT)
		boot_end(agent, ret);
	else
		restore_end(agent, ret);
}

static void mail_try_later(struct agent *agent)
{
	agent->mail_timer.due_ns = monotonic_ns() + LINK_PAUSE_NS;
}

/*
 * Apply; if the link is missing and may still come, again in a while. Once there
 * is newer mail, this VM is a fork and the older identity its parent's.
 */
static void mail_try(struct agent *agent)
{
	int ret;

	if (mailbox_has_mail(&agent->mailbox)) {
		agent->check_timer.due_ns = monotonic_ns();
		mail_try_later(agent);
		return;
	}
	ret = mail_apply(agent);
	if (ret == -ENODEV && agent->result.step == VMFORK_STEP_MATCH &&
	    monotonic_ns() < agent->link_end_ns) {
		fail(agent, VMFORK_STEP_NONE, 0);
		agent->netcfg.is_stale = true;
		mail_try_later(agent);
		return;
	}
	mail_end(agent, ret);
}

static void restore_run(struct agent *agent)
{
	struct vmfork_status *status = status_of(agent);
	uint64_t arm_seq = agent->mailbox.arm_seq;
	int ret;

	agent->wait_end_ns = 0;
	agent->mail_timer.due_ns = 0;
	agent->ack_timer.due_ns = 0;
	agent->is_armed = false;
	agent->is_unlogged = true;
	settle_stop(agent);
	status->generation++;
	begin(agent, agent->waker, agent->woken_ns);
	mailbox_take(&agent->mailbox, &agent->mail);
	ret = mail_open(agent, arm_seq);
	mail_erase(agent, !ret);
	reseed(agent, ret < 0 ? NULL : &agent->id.guest);
	if (!ret) {
		agent->record.snapshot_ns = agent->id.guest.clock.monotonic_ns;
		status_reach(status, VMFORK_STAGE_MAIL, monotonic_ns());
	}
	publish(agent);
	if (ret < 0)
		mail_end(agent, ret);
	else
		mail_try(agent);
}

static void give_up_on_mail(struct agent *agent)
{
	agent->wait_end_ns = 0;
	agent->is_unlogged = true;
	status_of(agent)->generation++;
	fail(agent, VMFORK_STEP_MAIL, ETIMEDOUT);
	publish(agent);
	restore_arm(agent);
	report_soon(agent);
	/* the mail that waits for its link is the only network there will be */
	if (agent->link_end_ns) {
		mail_try_later(agent);
	} else {
		memset(&agent->id, 0, sizeof(agent->id));
		mail_erase(agent, false); /* of tasks that were stopped */
	}
	remember(agent);
	settle_begin(agent, SETTLE_NO_MAIL);
}

static void mail_cb(void *arg)
{
	struct agent *agent = arg;
	uint64_t now = monotonic_ns();

	if (!agent->wait_end_ns) {
		mail_try(agent);
	} else if (mailbox_has_mail(&agent->mailbox)) {
		restore_run(agent);
	} else if (now >= agent->wait_end_ns) {
		give_up_on_mail(agent);
	} else {
		agent->mail_timer.due_ns = now + agent->wait_pause_ns;
		if (agent->mail_timer.due_ns > agent->wait_end_ns)
			agent->mail_timer.due_ns = agent->wait_end_ns;
		agent->wait_pause_ns *= 2;
	}
}

void restore_wake(struct agent *agent, enum vmfork_signal signal)
{
	bool waits = agent->wait_end_ns;

	if (!waits) {
		agent->waker = signal;
		agent->woken_ns = monotonic_ns();
	}
	if (mailbox_has_mail(&agent->mailbox)) {
		restore_run(agent);
		return;
	}
	if (waits)
		return;
	/* What was repeated for the parent is not this VM's to say. */
	agent->ack.kind = VMFORK_ACK_NONE;
	settle_stop(agent);
	agent->wait_end_ns = agent->woken_ns + WAIT_FOR_MAIL_NS;
	agent->wait_pause_ns = FIRST_PAUSE_NS;
	begin(agent, signal, agent->woken_ns);
	reseed(agent, NULL);
	publish(agent);
	mail_cb(agent);
}

static void arm_cb(void *arg)
{
	restore_arm(arg);
}

/*
 * No mail at boot, or an agent that is started again, which applies nothing
 * twice: that mail may be older than what came since. But its page is a new
 * one, and if that mail was the last, its sender is told.
 */
static void boot_again(struct agent *agent)
{
	uint32_t ignored;
	bool is_last = !memcmp(agent->record.applied_id, agent->mail.restore_id,
			       VMFORK_ID_LEN);

	publish(agent);
	if (is_last && !mail_check(&agent->mail, 0) &&
	    !identity_decode(&agent->id, agent->mail.payload,
			     agent->mail.payload_len, &ignored)) {
		ack_set_peer(&agent->ack, &agent->mail, &agent->id);
		tell(agent, VMFORK_ACK_ARMED);
	}
	secrets_erase(agent);
	report_now(agent);
	ready_tell(&agent->ready);
}

void restore_boot(struct agent *agent)
{
	static const uint8_t none[VMFORK_ID_LEN];
	struct vmfork_status *status = status_of(agent);
	int ret;

	if (mail_check(&agent->mail, 0) == -ENOMSG ||
	    memcmp(agent->record.applied_id, none, sizeof(none)) != 0) {
		boot_again(agent);
		return;
	}
	agent->is_unlogged = true;
	agent->link_end_ns = monotonic_ns() + WAIT_FOR_LINK_NS;
	begin(agent, VMFORK_SIGNAL_BOOT, monotonic_ns());
	ret = mail_open(agent, 0);
	mail_erase(agent, !ret);
	if (!ret) {
		/* of the moment: not of a file that is read again and again */
		agent->id.guest.has_clock = false;
		agent->id.guest.has_entropy = false;
		status_reach(status, VMFORK_STAGE_MAIL, monotonic_ns());
	}
	publish(agent);
	if (ret < 0)
		mail_end(agent, ret);
	else
		mail_try(agent);
}

/* The network is proven, or nobody wants to know; the tasks have ended. */
static void settled(struct agent *agent)
{
	struct vmfork_status *status = status_of(agent);

	status_reach(status, VMFORK_STAGE_SETTLED, monotonic_ns());
	publish(agent);
	report_now(agent); /* who is told looks there */
	if (status->signal != VMFORK_SIGNAL_BOOT)
		tell(agent, VMFORK_ACK_SETTLED);
}

void restore_answered(struct agent *agent, enum vmfork_ack_kind kind)
{
	struct vmfork_status *status = status_of(agent);

	agent->ack_timer.due_ns = 0;
	if (kind != VMFORK_ACK_APPLIED && kind != VMFORK_ACK_ARMED)
		return;
	/* a restarted agent's ARMED may be about what was settled before */
	if (status->stage >= VMFORK_STAGE_ACKED)
		return;
	status_reach(status, VMFORK_STAGE_ACKED, monotonic_ns());
	publish(agent);
	ack_tell_stages(&agent->ack, status, VMFORK_STAGE_ACKED);
	if (!agent->is_armed)
		restore_arm(agent);
	if (settle_is_over(&agent->settle))
		settled(agent);
}

bool restore_is_over(const struct agent *agent)
{
	return settle_is_over(&agent->settle) && !agent->wait_end_ns &&
	       !agent->link_end_ns && !agent->mail_timer.due_ns;
}

void restore_ready(struct agent *agent)
{
	/* mail that waits for its link has yet to be applied */
	if (!agent->link_end_ns)
		ready_tell(&agent->ready);
}

void restore_settled(struct agent *agent)
{
	const struct vmfork_status *status = status_of(agent);
	bool is_answered = status->stage == VMFORK_STAGE_ACKED;
	bool is_applied = status->stage >= VMFORK_STAGE_APPLIED;

	publish(agent);
	agent->record.is_settled = is_applied;
	if (is_applied && (is_answered || !agent->ack.has_peer))
		settled(agent);
	else
		report_soon(agent);
}

int restore_init(struct agent *agent)
{
	struct loop *loop = &agent->loop;
	int ret = loop_add_timer(loop, &agent->ack_timer, ack_cb, agent);

	if (!ret)
		ret = loop_add_timer(loop, &agent->arm_timer, arm_cb, agent);
	if (!ret)
		ret = settle_init(agent);
	if (!ret)
		ret = report_init(agent);
	if (!ret)
		ret = hooks_init(&agent->hooks, loop);
	if (!ret)
		ret = requests_init(agent);
	if (!ret)
		ret = loop_add_timer(loop, &agent->mail_timer, mail_cb, agent);
	return ret;
}
