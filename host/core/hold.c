// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "core/hold.h"

#define ANSWER_MS  2500	 /* the guest looks once a second */
#define RELEASE_MS 15000 /* its hooks run once more */
#define ARM_MS	   100	 /* it is held up, or spins no more: not waited for */
#define ASK_TRIES  3
#define LOG_HINT   "the agent's log in the guest says what failed"

static const struct vmfork_request release = {
	.op = VMFORK_REQUEST_RELEASE,
	.timeout_ms = RELEASE_MS,
};

void hold_init(struct hold *hold, const struct request_to *to,
	       const struct hold_wish *wish)
{
	struct vmfork_mailbox page;
	uint32_t capabilities = 0;
	struct vf_err ignored;

	*hold = (struct hold){ .to = *to };
	if (!to->gpa)
		return;
	if (mailbox_read(to->vmm, to->gpa, &page, &ignored) == 0)
		capabilities = page.header.capabilities;
	if (wish->quiesce || capabilities & VMFORK_CAP_FREEZE)
		hold->wish = wish;
	hold->can_arm = wish->arm && capabilities & VMFORK_CAP_ARM;
}

/*
 * What the guest answered, in words. The errno is not ours: to us, the guest has
 * failed.
 */
static int refused(const struct hold_wish *wish, int error, struct vf_err *err)
{
	if (error == ETIMEDOUT) {
		vf_err_set(err, EREMOTEIO,
			   "the guest was not ready within %u s",
			   wish->timeout_ms / 1000);
		vf_err_hint(err, LOG_HINT "; --quiesce-timeout gives it more");
	} else {
		vf_err_set(err, EREMOTEIO, "the guest %s: %s",
			   wish->quiesce ? "could not be quiesced"
					 : "could not freeze its workload",
			   strerror(error));
		vf_err_hint(err, LOG_HINT);
	}
	return -EREMOTEIO;
}

static int prepare(struct hold *hold, struct vf_err *err)
{
	const struct hold_wish *wish = hold->wish;
	const struct vmfork_request ask = {
		.op = VMFORK_REQUEST_PREPARE,
		.flags = wish->quiesce ? VMFORK_PREPARE_QUIESCE : 0,
		.policy = wish->policy,
		.timeout_ms = wish->timeout_ms,
		.hold_ms = HOLD_MS,
	};
	struct request_answer answer;
	int ret, tries = 0;

	/* a fork that is just being restored forgets what it is asked */
	do {
		ret = request_post(&hold->to, &ask, &answer, err);
		if (ret < 0)
			break;
		hold->is_asked = true;
		ret = request_wait(&hold->to, (int)wish->timeout_ms + ANSWER_MS,
				   &answer, err);
	} while (!ret && answer.error == ECANCELED && ++tries < ASK_TRIES);
	if (ret < 0)
		return vf_err_wrap(err, "preparing the guest");
	if (answer.error) {
		/* what it had done it has undone */
		hold->is_asked = false;
		return refused(wish, answer.error, err);
	}
	hold->until_us = answer.unseen_us + HOLD_MS * 1000;
	return 0;
}

int hold_begin(struct hold *hold, struct vf_err *err)
{
	int64_t start_us = vf_now_us();
	int ret;

	if (!hold->wish)
		return 0;
	ret = prepare(hold, err);
	if (!ret)
		hold->prepare_us = vf_now_us() - start_us;
	return ret;
}

static const struct vmfork_request arm = {
	.op = VMFORK_REQUEST_ARM,
	.spin_us = VMFORK_ARM_US_MAX,
};

void hold_arm(struct hold *hold, struct request_answer *answer)
{
	struct request_answer said;
	struct vf_err err;
	int ret;

	if (!hold->can_arm)
		return;
	ret = request_post(&hold->to, &arm, &said, &err);
	hold->is_spinning = !ret;
	hold->armed_us = ret ? 0 : said.unseen_us;
	if (!ret)
		ret = request_wait(&hold->to, ARM_MS, &said, &err);
	if (!ret) {
		*answer = said;
		hold->armed_us = said.unseen_us;
	}
	/* its forks are woken as ever */
	if (ret < 0)
		vf_log(VF_LOG_DEBUG, "not armed: %s", err.msg);
	else if (said.error)
		vf_log(VF_LOG_DEBUG, "not armed: %s", strerror(said.error));
}

void hold_arm_unheard(struct hold *hold)
{
	struct request_answer said;
	struct vf_err err;

	if (!hold->can_arm)
		return;
	hold->armed_us = 0;
	if (request_post(&hold->to, &arm, &said, &err) < 0)
		vf_log(VF_LOG_DEBUG, "not armed: %s", err.msg);
	else
		hold->armed_us = said.unseen_us;
}

int hold_check(const struct hold *hold, int64_t paused_us, struct vf_err *err)
{
	if (!hold->until_us || paused_us < hold->until_us)
		return 0;
	return vf_err_set(err, ETIMEDOUT,
			  "the guest was paused too late: it had gone on");
}

void hold_end_spin(struct hold *hold)
{
	struct request_to to = hold->to;
	struct request_answer answer;
	struct vf_err err;

	/* what else is held is released by one that is awaited */
	if (!hold->is_spinning || hold->is_asked)
		return;
	/* who spins looks, and who does so no more need not be woken for it */
	to.addr = in6addr_any;
	if (request_post(&to, &release, &answer, &err) < 0)
		vf_log(VF_LOG_DEBUG, "it spins on: %s", err.msg);
	hold->is_spinning = false;
}

int hold_end(struct hold *hold, struct vf_err *err)
{
	int64_t start_us = vf_now_us();
	struct request_answer answer;
	int ret;

	hold_end_spin(hold);
	if (!hold->is_asked)
		return 0;
	ret = request_post(&hold->to, &release, &answer, err);
	if (!ret)
		/* who did not answer before may never do so */
		ret = request_wait(&hold->to,
				   hold->until_us ? RELEASE_MS + ANSWER_MS
						  : ANSWER_MS,
				   &answer, err);
	if (!ret && answer.error)
		ret = vf_err_set(err, EREMOTEIO, "it failed: %s",
				 strerror(answer.error));
	if (ret < 0)
		return vf_err_wrap(err, "releasing the guest");
	hold->release_us = vf_now_us() - start_us;
	hold->is_asked = false;
	hold->is_spinning = false;
	return 0;
}

int hold_drop(const struct request_to *to, struct vf_err *err)
{
	struct request_answer answer;

	return request_post(to, &release, &answer, err);
}
