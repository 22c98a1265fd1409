// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "core/request.h"

#define NO_AGENT_HINT "is vmfork-agent running in the guest?"

/* Often at first, for the answer's moment is of interest; then less so. */
#define LOOK_MIN_US   100
#define LOOK_MAX_US   10000
#define LOOK_FRACTION 16  /* of the time that has been waited */
#define LOOKS_MIN     200 /* in the time that there is */

/* No clock that began with a guest's boot comes that far. */
#define GUEST_NS_MAX (INT64_MAX / 2)

void request_to_init(struct request_to *to, const struct vm *vm,
		     struct vmm *vmm, uint64_t gpa)
{
	*to = (struct request_to){
		.vmm = vmm,
		.gpa = gpa,
		.addr = net_port_addr(&vm->nics[0].port),
	};
}

/* A datagram on the hint port makes the guest look now, not within a second. */
static void send_hint(struct in6_addr guest, uint16_t hint_port)
{
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_addr = guest,
		.sin6_port = htons(hint_port),
	};
	__close int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && hint_port && !IN6_IS_ADDR_UNSPECIFIED(&guest))
		sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&to,
		       sizeof(to));
}

int request_post(const struct request_to *to, const struct vmfork_request *ask,
		 struct request_answer *answer, struct vf_err *err)
{
	uint64_t at = to->gpa + VMFORK_REQUEST_OFFSET;
	size_t head = sizeof(ask->counter);
	struct vmfork_mailbox page;
	int ret = mailbox_read(to->vmm, to->gpa, &page, err);

	if (ret < 0)
		return ret;
	if (!(page.header.capabilities & VMFORK_CAP_REQUEST))
		return vf_err_set(err, EOPNOTSUPP,
				  "mailbox: its agent answers no requests");
	*answer = (struct request_answer){
		.counter = page.request.counter + 1,
		.unseen_us = vf_now_us(),
	};
	/* the counter last: it is what the guest looks at */
	ret = to->vmm->ops->poke(to->vmm, at + head,
				 (const uint8_t *)ask + head,
				 sizeof(*ask) - head, err);
	if (!ret)
		ret = to->vmm->ops->poke(to->vmm, at, &answer->counter, head,
					 err);
	if (ret < 0)
		return vf_err_wrap(err, "mailbox");
	send_hint(to->addr, page.header.hint_port);
	return 0;
}

/* Return: 0, -ECANCELED if the user gives up meanwhile */
static int pause_between_looks(int cancel_fd, int64_t waited_us, int timeout_ms)
{
	struct pollfd cancel = { .fd = cancel_fd, .events = POLLIN };
	int64_t us = waited_us / LOOK_FRACTION;
	struct timespec pause = { 0 };

	if (us > timeout_ms * 1000LL / LOOKS_MIN)
		us = timeout_ms * 1000LL / LOOKS_MIN;
	if (us > LOOK_MAX_US)
		us = LOOK_MAX_US;
	if (us < LOOK_MIN_US)
		us = LOOK_MIN_US;
	pause.tv_nsec = us * 1000;
	/* poll() alone knows no time below a millisecond */
	return ppoll(&cancel, 1, &pause, NULL) > 0 ? -ECANCELED : 0;
}

int request_wait(const struct request_to *to, int timeout_ms,
		 struct request_answer *answer, struct vf_err *err)
{
	int64_t start_us = vf_now_us();
	int64_t deadline_us = start_us + (int64_t)timeout_ms * 1000;

	for (;;) {
		struct vmfork_status status;
		int64_t now_us = vf_now_us();
		int ret = mailbox_status(to->vmm, to->gpa, &status, deadline_us,
					 err);

		if (ret < 0)
			return ret;
		if (status.request_seen == answer->counter) {
			answer->answered_us = vf_now_us();
			answer->guest_ns = status.request_ns;
			answer->error =
				status.request_result
					? guest_errno(status.request_result)
					: 0;
			return 0;
		}
		if (now_us > deadline_us)
			return vf_err_set(err, ETIMEDOUT,
					  "mailbox: the page at 0x%" PRIx64
					  " does not answer",
					  to->gpa);
		answer->unseen_us = now_us;
		if (pause_between_looks(to->vmm->cancel_fd, now_us - start_us,
					timeout_ms) < 0)
			return vf_err_set(err, ECANCELED, "interrupted");
	}
}

int request_probe(const struct request_to *to, int timeout_ms,
		  struct request_answer *answer, struct vf_err *err)
{
	static const struct vmfork_request ask = { .op = VMFORK_REQUEST_PROBE };
	int ret = request_post(to, &ask, answer, err);

	return ret < 0 ? ret : request_wait(to, timeout_ms, answer, err);
}

int request_clock(const struct request_answer *answer, int64_t from_us,
		  int64_t to_us, uint64_t *guest_ns, int64_t *error_us)
{
	/* how much time has passed since the answer, at least and at most */
	int64_t least_us = from_us - answer->answered_us;
	int64_t most_us = to_us - answer->unseen_us;
	int64_t mid_ns = (least_us + most_us) * 500;

	if (!answer->guest_ns || answer->guest_ns > GUEST_NS_MAX ||
	    mid_ns < 0 || most_us < least_us)
		return -ERANGE;
	*guest_ns = answer->guest_ns + (uint64_t)mid_ns;
	*error_us = (most_us - least_us + 1) / 2;
	return 0;
}

static int say_none(struct vf_err *err)
{
	vf_err_set(err, ENOENT, "mailbox: none in the guest's memory");
	vf_err_hint(err, NO_AGENT_HINT);
	return -ENOENT;
}

/*
 * A page that does not answer was left by an agent that has gone: mail in it would
 * be lost.
 */
int request_choose(const struct vm *vm, struct vmm *vmm, const uint64_t *found,
		   int num, uint64_t *gpa, struct vf_err *err)
{
	uint64_t alive[MAILBOX_CANDIDATES];
	struct request_answer ignored;
	struct request_to to;
	int num_alive = 0;

	if (!num)
		return say_none(err);
	for (int i = 0; i < num; i++) {
		request_to_init(&to, vm, vmm, found[i]);
		if (request_probe(&to, REQUEST_PROBE_MS, &ignored, err) == 0)
			alive[num_alive++] = found[i];
		else if (err->num == ECANCELED)
			return -ECANCELED;
	}
	if (num_alive == 1) {
		*gpa = alive[0];
		return 0;
	}
	if (num == 1) {
		vf_err_hint(err, NO_AGENT_HINT);
		return -err->num;
	}
	if (num_alive > 1)
		found = alive;
	return vf_err_set(err, ENOTUNIQ,
			  "mailbox: ambiguous: pages at 0x%" PRIx64
			  " and 0x%" PRIx64 " both claim to be it, and %s",
			  found[0], found[1],
			  num_alive ? "both answer" : "neither answers");
}
