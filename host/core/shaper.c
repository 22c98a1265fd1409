// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/fork.h"
#include "core/shaper.h"

/* Requests have a time limit each (rtnl.c): one that has begun is waited for. */
static void shape(struct fork_job *job)
{
	struct timeline *tl = &job->timeline;

	tl->from_us[TIMELINE_SHAPED] = vf_now_us();
	/* what came of it stands with each interface */
	nics_shape(job->vm.nics, job->vm.num_nics, &job->shaping_err);
	tl->at_us[TIMELINE_SHAPED] = vf_now_us();
}

static void *shaper_main(void *arg)
{
	struct shaper *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct fork_job *job;

		while (s->done == s->num && !s->is_over)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->done == s->num || s->is_dropped)
			break;
		job = s->queue[s->done++];
		pthread_mutex_unlock(&s->lock);
		shape(job);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	eventfd_write(s->ended_fd, 1);
	return NULL;
}

int shaper_start(struct shaper *shaper, unsigned int max, struct vf_err *err)
{
	int ret;

	*shaper = (struct shaper){ .num = 0 };
	shaper->queue = calloc(max, sizeof(struct fork_job *));
	if (!shaper->queue)
		return vf_err_errno(err, ENOMEM, "shaping");
	shaper->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (shaper->ended_fd < 0) {
		ret = vf_err_errno(err, errno, "shaping");
		free(shaper->queue);
		shaper->queue = NULL;
		return ret;
	}
	pthread_mutex_init(&shaper->lock, NULL);
	pthread_cond_init(&shaper->changed, NULL);
	ret = pthread_create(&shaper->thread, NULL, shaper_main, shaper);
	shaper->has_thread = ret == 0;
	if (!ret)
		return 0;
	shaper_end(shaper, true);
	return vf_err_errno(err, ret, "shaping: thread");
}

void shaper_add(struct shaper *shaper, struct fork_job *job)
{
	if (!shaper->has_thread ||
	    !nics_are_pending(job->vm.nics, job->vm.num_nics))
		return;
	pthread_mutex_lock(&shaper->lock);
	shaper->queue[shaper->num++] = job;
	pthread_cond_signal(&shaper->changed);
	pthread_mutex_unlock(&shaper->lock);
}

static void no_more(struct shaper *shaper, bool drop)
{
	pthread_mutex_lock(&shaper->lock);
	shaper->is_over = true;
	shaper->is_dropped = drop;
	pthread_cond_signal(&shaper->changed);
	pthread_mutex_unlock(&shaper->lock);
}

int shaper_wait(struct shaper *shaper, int cancel_fd, int64_t deadline_us)
{
	if (!shaper->has_thread)
		return 0;
	no_more(shaper, false);
	return vf_wait_readable(shaper->ended_fd, cancel_fd, deadline_us);
}

void shaper_end(struct shaper *shaper, bool drop)
{
	if (!shaper->queue)
		return;
	if (shaper->has_thread) {
		no_more(shaper, drop);
		pthread_join(shaper->thread, NULL);
	}
	shaper->has_thread = false;
	pthread_cond_destroy(&shaper->changed);
	pthread_mutex_destroy(&shaper->lock);
	vf_close_fd(&shaper->ended_fd);
	free(shaper->queue);
	shaper->queue = NULL;
}
