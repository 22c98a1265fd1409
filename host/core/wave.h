/* SPDX-License-Identifier: MIT */
/*
 * When the forks of a burst go. Guests that are resumed together share the
 * processors, and each of them answers late; resumed a few at a time, in waves as
 * wide as the machine, the last one answers no later and half of them in half the
 * time. Here is only the decision: how many may go, by where the others are.
 * Threads, clocks and engines are elsewhere (crew.c, listen.c).
 */
#ifndef VF_WAVE_H
#define VF_WAVE_H

#include <stdbool.h>
#include <stdint.h>

/* Where a fork is on its way. */
enum wave_place {
	WAVE_WAITING,  /* nothing of it has begun */
	WAVE_LOADING,  /* its engine starts and loads */
	WAVE_STUCK,    /* the same for so long that others go on without it */
	WAVE_LOADED,   /* it may be resumed */
	WAVE_RESUMING, /* it is about to run */
	WAVE_GOING,    /* it runs, and was not heard yet */
	WAVE_LATE,     /* the same for so long that others go on without it */
	WAVE_OVER,     /* it was heard, or has failed */
	WAVE_NUM
};

struct wave {
	unsigned int width;   /* so many are resumed and not heard, at most */
	unsigned int ahead;   /* so many more are loaded before their turn */
	unsigned int loaders; /* so many are loaded at once */
	bool gather;	      /* none is resumed before all are loaded */
	unsigned int num[WAVE_NUM];
	int64_t slowest_us; /* of those that were heard: how long it took */
	int64_t slowest_load_us; /* of those that were loaded */
	unsigned int lates; /* nobody was heard since so many became late */
};

/**
 * wave_init() - A burst in waves
 * @wave:	out
 * @num:	how many forks
 * @width:	how many may be resumed and not heard at once; 0: as suits
 * @processors:	of the machine: bounds how many are loaded at once
 */
void wave_init(struct wave *wave, unsigned int num, unsigned int width,
	       unsigned int processors);

/**
 * wave_init_all() - A burst that is resumed at once, when all are loaded
 * @wave:	out
 * @num:	how many forks
 *
 * They are loaded side by side, too: nobody runs yet who could be starved.
 */
void wave_init_all(struct wave *wave, unsigned int num);

/**
 * wave_move() - A fork has come from one place to another
 * @wave:	burst
 * @from:	where it was
 * @to:		where it is
 */
void wave_move(struct wave *wave, enum wave_place from, enum wave_place to);

/**
 * wave_heard() - A fork that was resumed has acknowledged
 * @wave:	burst
 * @took_us:	how long that took
 */
void wave_heard(struct wave *wave, int64_t took_us);

/**
 * wave_loaded() - An engine has started and loaded
 * @wave:	burst
 * @took_us:	how long that took
 */
void wave_loaded(struct wave *wave, int64_t took_us);

/**
 * wave_may_load() - How many more engines may be started now?
 * @wave:	burst
 *
 * As many as are loaded at once may be stuck and hold up nobody.
 *
 * Return: how many of those that wait
 */
unsigned int wave_may_load(const struct wave *wave);

/**
 * wave_may_resume() - How many more forks may be resumed now?
 * @wave:	burst
 *
 * Return: how many of those that are loaded
 */
unsigned int wave_may_resume(const struct wave *wave);

/**
 * wave_patience_us() - After how long does one that is not heard become late?
 * @wave:	burst
 *
 * By the slowest of those that were heard. The more become late, and nobody is
 * heard, the shorter it is: forks of a guest that will never answer.
 *
 * Return: microseconds
 */
int64_t wave_patience_us(const struct wave *wave);

/**
 * wave_load_patience_us() - After how long is one that loads stuck?
 * @wave:	burst
 *
 * Whether guests answer has nothing to do with it.
 *
 * Return: microseconds
 */
int64_t wave_load_patience_us(const struct wave *wave);

/**
 * wave_is_over() - Have all gone that will?
 * @wave:	burst
 *
 * Return: true if there is none left but those that are late or over
 */
bool wave_is_over(const struct wave *wave);

#endif
