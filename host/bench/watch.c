// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "bench/watch.h"

#define LOOK_NS 90000

struct watch_page {
	atomic_llong gap_us;
	atomic_llong blind_us;
};

static void raise_to(atomic_llong *max, int64_t value)
{
	if (value > atomic_load(max))
		atomic_store(max, value);
}

/*
 * With no more right to a processor than others: who measures must not take the
 * time from those who work in the pause. What was missed is in blind_us.
 */
static _Noreturn void look(struct watch_page *page, pid_t pid, uint64_t hva)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	uint64_t count = 0, last = 0;
	struct iovec local = { &count, sizeof(count) };
	struct iovec remote = { (void *)(uintptr_t)hva, sizeof(count) };
	int64_t since_us = vf_now_us(), looked_us = since_us;

	while (process_vm_readv(pid, &local, 1, &remote, 1, 0) ==
	       sizeof(count)) {
		int64_t now_us = vf_now_us();

		raise_to(&page->blind_us, now_us - looked_us);
		looked_us = now_us;
		if (count != last)
			since_us = now_us;
		last = count;
		raise_to(&page->gap_us, now_us - since_us);
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

int watch_start(struct watch *watch, pid_t pid, uint64_t hva,
		struct vf_err *err)
{
	struct watch_page *page = mmap(NULL, sizeof(*page),
				       PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid();

	if (page == MAP_FAILED)
		return vf_err_errno(err, errno, "watch");
	watch->page = page;
	watch->pid = fork();
	if (watch->pid < 0) {
		int ret = vf_err_errno(err, errno, "watch");

		munmap(page, sizeof(*page));
		return ret;
	}
	if (watch->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_TIMERSLACK, 1);
		if (getppid() != parent)
			_exit(1);
		look(page, pid, hva);
	}
	return 0;
}

struct watch_sight watch_take(struct watch *watch)
{
	return (struct watch_sight){
		.gap_us = atomic_exchange(&watch->page->gap_us, 0),
		.blind_us = atomic_exchange(&watch->page->blind_us, 0),
	};
}

void watch_stop(struct watch *watch)
{
	kill(watch->pid, SIGKILL);
	while (waitpid(watch->pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(watch->page, sizeof(*watch->page));
}
