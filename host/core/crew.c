// SPDX-License-Identifier: MIT
/*
 * The threads that make forks. Each takes a step of a fork, then the next step of
 * whichever fork may go on: wave.c says how many may, and they go in the order of
 * their names. batch.h holds the contract.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "core/batch.h"

void batch_move(struct batch *b, struct worker *w, enum wave_place place)
{
	uint64_t one = 1;

	wave_move(&b->wave, w->place, place);
	w->place_us = vf_now_us();
	w->place = place;
	if (wave_is_over(&b->wave) && !b->heard_us)
		b->heard_us = w->place_us;
	pthread_cond_broadcast(&b->changed_cond);
	(void)!write(b->wake_fd, &one, sizeof(one));
}

static struct worker *first_at(struct batch *b, enum wave_place place)
{
	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].place == place)
			return &b->workers[i];
	return NULL;
}

/* One that is loaded before its port is attached keeps its TAPs open. */
static bool has_room(const struct batch *b)
{
	return b->attached != ATTACH_PENDING ||
	       b->wave.num[WAVE_LOADED] < CREW_MAX;
}

/* Which fork is next, and with which step? What is begun is ended first. */
static struct worker *take(struct batch *b, bool *resumes)
{
	struct worker *w = NULL;

	/* a fork must not speak before its port knows what it may say */
	*resumes = b->attached != ATTACH_PENDING &&
		   wave_may_resume(&b->wave) > 0;
	if (*resumes) {
		w = first_at(b, WAVE_LOADED);
		batch_move(b, w, WAVE_RESUMING);
	} else if (wave_may_load(&b->wave) && has_room(b)) {
		w = first_at(b, WAVE_WAITING);
		batch_move(b, w, WAVE_LOADING);
	}
	return w;
}

static void *work(void *arg)
{
	struct batch *b = arg;
	bool resumes;

	pthread_mutex_lock(&b->lock);
	while (!b->crew.is_over) {
		struct worker *w = take(b, &resumes);
		int64_t from_us = vf_now_us();
		int ret;

		if (!w) {
			pthread_cond_wait(&b->changed_cond, &b->lock);
			continue;
		}
		pthread_mutex_unlock(&b->lock);
		ret = resumes ? worker_resume(w) : worker_load(w);
		pthread_mutex_lock(&b->lock);
		if (!ret && !resumes)
			wave_loaded(&b->wave, vf_now_us() - from_us);
		if (ret < 0)
			batch_move(b, w, WAVE_OVER);
		else
			batch_move(b, w, resumes ? WAVE_GOING : WAVE_LOADED);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static int add_thread(struct batch *b)
{
	struct crew *crew = &b->crew;
	int ret;

	if (crew->num == CREW_MAX)
		return EAGAIN;
	ret = pthread_create(&crew->threads[crew->num], NULL, work, b);
	crew->num += !ret;
	return ret;
}

static void plan(struct batch *b)
{
	unsigned int num = b->result->num, waves = b->request->waves;

	/* who is alone has nobody to yield to */
	b->can_yield = num > 1 && waves < num && cpu_can_yield();
	if (batch_goes_at_once(b))
		wave_init_all(&b->wave, num);
	else
		wave_init(&b->wave, num, waves, cpu_count());
	if (b->can_yield && b->request->wait != FORK_WAIT_NONE)
		b->lead_nice = cpu_lead_nice(b->wave.width, num);
	for (unsigned int i = 0; i < num; i++)
		if (b->workers[i].job->err.num)
			batch_move(b, &b->workers[i], WAVE_OVER);
}

int crew_start(struct batch *b, struct vf_err *err)
{
	unsigned int num;
	int ret = 0;

	pthread_mutex_lock(&b->lock);
	plan(b);
	num = b->wave.loaders + 1;
	while (!ret && b->crew.num < num && b->crew.num < b->result->num)
		ret = add_thread(b);
	pthread_mutex_unlock(&b->lock);
	/* with one less it takes longer */
	return b->crew.num ? 0 : vf_err_errno(err, ret, "threads");
}

void crew_reinforce(struct batch *b)
{
	add_thread(b);
}

void crew_end(struct batch *b)
{
	pthread_mutex_lock(&b->lock);
	b->crew.is_over = true;
	pthread_cond_broadcast(&b->changed_cond);
	pthread_mutex_unlock(&b->lock);
	for (unsigned int i = 0; i < b->crew.num; i++)
		pthread_join(b->crew.threads[i], NULL);
}
