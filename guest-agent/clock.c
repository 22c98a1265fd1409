// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"
#include "monotonic.h"
#include "settle.h"

/*
 * What the two moments of a mail may be apart although they are told as one: a
 * clock that is nearer is left alone, for a step harms, too.
 */
#define STEP_NS (1 * (int64_t)NS_PER_MS)

/* A PTP clock so far from the mail has another time scale, TAI for one. */
#define DISAGREE_NS (2 * (int64_t)NS_PER_S)

#define READINGS 3
#define STEPS	 3 /* at most: one may be held up between its two clocks */

#define PTP_DEVICE "dev/ptp0"
#define PTP_NAME   "sys/class/ptp/ptp0/clock_name"

/* Linux: drivers/ptp/ptp_kvm_common.c, ptp_vmclock.c; both give UTC */
static const char *const ptp_names[] = { "KVM virtual PTP", "vmclock" };

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/*
 * CLOCK_MONOTONIC before and after: the reading was in the middle. Who is not
 * let run meanwhile cannot say where, so the best of a few is taken.
 */
static struct clock_pair pair_read(clockid_t id)
{
	struct clock_pair best = { 0 };
	uint64_t width = UINT64_MAX;

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = monotonic_ns();
		uint64_t reading = clock_ns(id);
		uint64_t took = monotonic_ns() - before;

		if (took >= width)
			continue;
		width = took;
		best.realtime_ns = reading;
		best.monotonic_ns = before + took / 2;
	}
	return best;
}

struct clock_pair clock_pair_of_mail(const struct vmfork_clock *clock,
				     uint64_t woken_ns)
{
	struct clock_pair pair = {
		.realtime_ns = clock->realtime_ns,
		.monotonic_ns = clock->monotonic_ns,
	};

	if (!pair.monotonic_ns || pair.monotonic_ns > woken_ns)
		pair.monotonic_ns = woken_ns;
	return pair;
}

int64_t clock_skew(const struct clock_pair *is, const struct clock_pair *right)
{
	return (int64_t)((is->realtime_ns - right->realtime_ns) -
			 (is->monotonic_ns - right->monotonic_ns));
}

static bool ptp_is_ours(int root_fd)
{
	int fd = openat(root_fd, PTP_NAME, O_RDONLY | O_CLOEXEC);
	bool is_ours = false;
	char name[64] = "";
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, name, sizeof(name) - 1);
	close(fd);
	for (size_t i = 0; i < sizeof(ptp_names) / sizeof(ptp_names[0]); i++)
		is_ours |= len > 0 &&
			   !strncmp(name, ptp_names[i], strlen(ptp_names[i]));
	return is_ours;
}

int clock_ptp_open(int root_fd)
{
	int fd;

	if (!ptp_is_ours(root_fd))
		return -ENODEV;
	fd = openat(root_fd, PTP_DEVICE, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -ENODEV : fd;
}

/* Linux, Documentation/driver-api/ptp.rst: a descriptor as a clock's id */
static clockid_t clock_of_fd(int fd)
{
	return (clockid_t)(~(unsigned int)fd << 3 | 3);
}

static bool ptp_read(int root_fd, struct clock_pair *pair)
{
	int fd = clock_ptp_open(root_fd);

	if (fd < 0)
		return false;
	*pair = pair_read(clock_of_fd(fd));
	close(fd);
	return pair->realtime_ns != 0; /* the device could not tell */
}

/* Return: which clock is right, with its moment; VMFORK_CLOCK_NONE */
static enum vmfork_clock_source right_clock(const struct agent *agent,
					    struct clock_pair *right)
{
	const struct identity_guest *guest = &agent->id.guest;
	bool has_mail = agent->record.status.step != VMFORK_STEP_MAIL;
	struct clock_pair mail;
	int64_t apart;

	/* --no-clock: a mail that does not tell the time wants it left alone */
	if (has_mail && !guest->has_clock)
		return VMFORK_CLOCK_NONE;
	if (!has_mail)
		return ptp_read(agent->root_fd, right) ? VMFORK_CLOCK_PTP
						       : VMFORK_CLOCK_NONE;
	mail = clock_pair_of_mail(&guest->clock, agent->woken_ns);
	if (ptp_read(agent->root_fd, right)) {
		apart = clock_skew(right, &mail);
		if (apart > -DISAGREE_NS && apart < DISAGREE_NS)
			return VMFORK_CLOCK_PTP;
	}
	*right = mail;
	return VMFORK_CLOCK_MAIL;
}

static int realtime_set(const struct clock_pair *right)
{
	uint64_t now =
		right->realtime_ns + (monotonic_ns() - right->monotonic_ns);
	struct timespec ts = {
		.tv_sec = (time_t)(now / NS_PER_S),
		.tv_nsec = (long)(now % NS_PER_S),
	};

	return clock_settime(CLOCK_REALTIME, &ts) < 0 ? -errno : 0;
}

static int64_t skew_read(const struct clock_pair *right)
{
	struct clock_pair is = pair_read(CLOCK_REALTIME);

	return clock_skew(&is, right);
}

static bool is_near(int64_t skew)
{
	return skew > -STEP_NS && skew < STEP_NS;
}

int clock_step(struct agent *agent)
{
	struct vmfork_status *status = &agent->record.status;
	struct clock_pair right;
	enum vmfork_clock_source source = right_clock(agent, &right);
	int64_t skew;
	int ret = 0;

	if (source == VMFORK_CLOCK_NONE)
		return SETTLE_NOTHING;
	skew = skew_read(&right);
	status->skew_before_ns = (uint64_t)skew;
	for (int i = 0; i < STEPS && !ret && !is_near(skew); i++) {
		ret = realtime_set(&right);
		if (!ret)
			status->clock_source = source;
		skew = skew_read(&right);
	}
	status->skew_after_ns = (uint64_t)skew;
	return ret;
}
