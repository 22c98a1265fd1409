// SPDX-License-Identifier: MIT
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>

#include "base/io.h"
#include "bench/ack_watch.h"

/* Rarely enough that who is watched keeps its processor. */
#define LOOK_NS 40000

static void note(struct ack_watch *w, unsigned int stage, int64_t now_us,
		 int64_t before_us)
{
	for (unsigned int i = 1; i <= stage && i < ACK_WATCH_STAGES; i++)
		if (!w->seen_us[i]) {
			w->seen_us[i] = now_us;
			w->blind_us[i] = now_us - before_us;
		}
}

/*
 * Once more when it is over: on a busy machine that may be the first time, and who
 * is watched is still there.
 */
static void *look(void *arg)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	struct ack_watch *w = arg;
	int64_t before_us = w->from_us;
	uint64_t words[ACK_WATCH_BYTES / sizeof(uint64_t)];
	struct iovec local = { words, w->bytes };
	struct iovec remote = { (void *)(uintptr_t)w->hva, w->bytes };

	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		bool is_last = atomic_load(&w->over);
		int64_t now_us;

		if (process_vm_readv(w->pid, &local, 1, &remote, 1, 0) !=
		    (ssize_t)w->bytes)
			break;
		now_us = vf_now_us();
		note(w, w->stage(words, w->ctx), now_us, before_us);
		if (is_last)
			break;
		before_us = now_us;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

void ack_watch_start(struct ack_watch *w)
{
	w->from_us = vf_now_us();
	if (w->bytes <= ACK_WATCH_BYTES)
		w->started = !pthread_create(&w->thread, NULL, look, w);
}

void ack_watch_stop(struct ack_watch *w)
{
	if (!w->started)
		return;
	atomic_store(&w->over, true);
	pthread_join(w->thread, NULL);
	w->started = false;
}
