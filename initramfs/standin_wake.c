// SPDX-License-Identifier: MIT
/* How the stand-in notices. standin.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "page.h"
#include "priority.h"
#include "standin.h"

#define REST_NS 1000000 /* between looks of who may be asked to spin */
#define LOOKS	1024
/*
 * At requests, and for mail that no signal told of. All forks of a snapshot have
 * what is left of it: so it is long, but who takes one waits 2.5 s for an answer.
 */
#define LOOK_MS 1500
#define KMSG	"/dev/kmsg"
#define FIFO	"/run/standin" /* who writes to it has done all the rest */

/*
 * Before others, the thread of ACPI's interrupt included, as the agent is; not so
 * what it starts. musl has no such call.
 */
static int come_first(void)
{
	const struct sched_param param = { .sched_priority = VMFORK_PRIORITY };

	return syscall(SYS_sched_setscheduler, 0,
		       SCHED_FIFO | SCHED_RESET_ON_FORK, &param) < 0
		       ? -errno
		       : 0;
}

static int spin_open(struct standin *s)
{
	(void)s;
	return come_first();
}

/* It counts where no stage has its time: so the host sees that it runs at all. */
static bool look(struct standin *s)
{
	s->page->status.time_ns[VMFORK_STAGE_NONE]++;
	return standin_has_mail(s);
}

/* As quick as can be: what goes on in a fork is this loop. */
static int spin_wait(struct standin *s)
{
	const struct timespec rest = { .tv_nsec = REST_NS };

	while (!look(s)) {
		int looks = 0;

		if (!s->spin_end_ns)
			nanosleep(&rest, NULL);
		/* a look at the clock may take as long as all of these */
		while (s->spin_end_ns && looks < LOOKS && !look(s))
			looks++;
		if (looks == LOOKS && page_now_ns() > s->spin_end_ns)
			standin_spun(s);
	}
	if (!s->spin_end_ns)
		return VMFORK_SIGNAL_CHECK;
	/* a snapshot may be of the moment between the two */
	s->page->status.time_ns[VMFORK_STAGE_NONE]++;
	return VMFORK_SIGNAL_ARMED;
}

/* What is read is only a hint. */
static void drain(int fd)
{
	char record[1024];

	while (read(fd, record, sizeof(record)) > 0 || errno == EPIPE ||
	       errno == EINTR)
		errno = 0;
}

static int vmgenid_open(struct standin *s)
{
	s->wake_fd = open(KMSG, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->wake_fd < 0 || lseek(s->wake_fd, 0, SEEK_END) < 0)
		return -errno;
	return come_first();
}

static int vmgenid_wait(struct standin *s)
{
	for (;;) {
		struct pollfd fd = { .fd = s->wake_fd, .events = POLLIN };
		int num = poll(&fd, 1, LOOK_MS);

		if (num < 0 && errno != EINTR)
			return -errno;
		if (num > 0)
			drain(s->wake_fd);
		if (standin_has_mail(s))
			return num > 0 ? VMFORK_SIGNAL_VMGENID
				       : VMFORK_SIGNAL_CHECK;
	}
}

/* Somebody else does what there is to do, and says so. */
static int told_open(struct standin *s)
{
	if (mkfifo(FIFO, 0600) < 0 && errno != EEXIST)
		return -errno;
	/* for writing as well: so it is never at its end */
	s->wake_fd = open(FIFO, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return s->wake_fd < 0 ? -errno : come_first();
}

static int told_wait(struct standin *s)
{
	for (;;) {
		struct pollfd fd = { .fd = s->wake_fd, .events = POLLIN };
		int num = poll(&fd, 1, LOOK_MS);

		if (num < 0 && errno != EINTR)
			return -errno;
		/* mail alone is no reason: the network is the old one */
		if (standin_has_mail(s) && num > 0)
			return VMFORK_SIGNAL_NONE;
	}
}

static const struct standin_wake wakes[] = {
	{ "spin", true, spin_open, spin_wait },
	{ "vmgenid", false, vmgenid_open, vmgenid_wait },
	{ "told", false, told_open, told_wait },
};

const struct standin_wake *standin_wake_find(const char *name)
{
	for (size_t i = 0; i < sizeof(wakes) / sizeof(*wakes); i++)
		if (!strcmp(wakes[i].name, name))
			return &wakes[i];
	return NULL;
}
