// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "core/fork.h"
#include "core/shaper.h"

/* Requests have a time limit each (rtnl.c), so this ends. */
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
	return NULL;
}

int shaper_start(struct shaper *shaper, unsigned int max, struct vf_err *err)
{
	int ret;

	*shaper = (struct shaper){ .num = 0 };
	shaper->queue = calloc(max, sizeof(struct fork_job *));
	if (!shaper->queue)
		return vf_err_errno(err, ENOMEM, "shaping");
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

void shaper_end(struct shaper *shaper, bool drop)
{
	if (!shaper->queue)
		return;
	if (shaper->has_thread) {
		pthread_mutex_lock(&shaper->lock);
		shaper->is_over = true;
		shaper->is_dropped = drop;
		pthread_cond_signal(&shaper->changed);
		pthread_mutex_unlock(&shaper->lock);
		pthread_join(shaper->thread, NULL);
	}
	shaper->has_thread = false;
	pthread_cond_destroy(&shaper->changed);
	pthread_mutex_destroy(&shaper->lock);
	free(shaper->queue);
	shaper->queue = NULL;
}
