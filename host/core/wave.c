// SPDX-License-Identifier: MIT
#include "core/wave.h"

#define PATIENCE_FIRST_US 2000000 /* nobody was heard yet */
#define PATIENCE_MIN_US	  1000000
#define PATIENCE_LAST_US  20000	  /* nobody will be heard */
#define PATIENCE_LOAD_US  5000000 /* an engine starts; a disk may be slow */
#define PATIENCE_TIMES	  4

/*
 * One engine more than processors is started at once: it waits for the disk, for
 * the kernel and for us in between. One fork is ready ahead of its turn, so that
 * no processor waits for the next. One guest more than processors runs: it waits
 * now and then, for its timers or for us.
 */
#define LOADERS_SPARE 1
#define AHEAD	      1
#define WIDTH_SPARE   1

void wave_init(struct wave *wave, unsigned int num, unsigned int width,
	       unsigned int processors)
{
	*wave = (struct wave){
		.width = width ? width : processors + WIDTH_SPARE,
		.ahead = AHEAD,
		.loaders = processors + LOADERS_SPARE,
		.num = { [WAVE_WAITING] = num },
	};
}

void wave_init_all(struct wave *wave, unsigned int num)
{
	*wave = (struct wave){
		.width = num,
		.loaders = num,
		.gather = true,
		.num = { [WAVE_WAITING] = num },
	};
}

void wave_move(struct wave *wave, enum wave_place from, enum wave_place to)
{
	wave->num[from]--;
	wave->num[to]++;
	if (to == WAVE_LATE)
		wave->lates++;
}

void wave_heard(struct wave *wave, int64_t took_us)
{
	if (took_us > wave->slowest_us)
		wave->slowest_us = took_us;
	wave->lates = 0;
}

void wave_loaded(struct wave *wave, int64_t took_us)
{
	if (took_us > wave->slowest_load_us)
		wave->slowest_load_us = took_us;
}

/* What is left of a number of places. */
static unsigned int left(unsigned int places, unsigned int taken)
{
	return places > taken ? places - taken : 0;
}

static unsigned int less(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static unsigned int num_going(const struct wave *wave)
{
	return wave->num[WAVE_RESUMING] + wave->num[WAVE_GOING];
}

unsigned int wave_may_load(const struct wave *wave)
{
	/* others go on without those that are stuck, but not any number */
	unsigned int loading = wave->num[WAVE_LOADING] +
			       left(wave->num[WAVE_STUCK], wave->loaders);
	unsigned int under_way =
		loading + wave->num[WAVE_LOADED] + num_going(wave);
	unsigned int room = less(left(wave->width + wave->ahead, under_way),
				 left(wave->loaders, loading));

	return less(room, wave->num[WAVE_WAITING]);
}

unsigned int wave_may_resume(const struct wave *wave)
{
	if (wave->gather &&
	    (wave->num[WAVE_WAITING] || wave->num[WAVE_LOADING]))
		return 0;
	return less(left(wave->width, num_going(wave)), wave->num[WAVE_LOADED]);
}

int64_t wave_patience_us(const struct wave *wave)
{
	int64_t us = PATIENCE_FIRST_US;

	if (wave->slowest_us)
		us = PATIENCE_TIMES * wave->slowest_us;
	if (us < PATIENCE_MIN_US)
		us = PATIENCE_MIN_US;
	for (unsigned int i = wave->width; i <= wave->lates; i += wave->width)
		us /= 2;
	return us > PATIENCE_LAST_US ? us : PATIENCE_LAST_US;
}

int64_t wave_load_patience_us(const struct wave *wave)
{
	int64_t us = PATIENCE_TIMES * wave->slowest_load_us;

	return us > PATIENCE_LOAD_US ? us : PATIENCE_LOAD_US;
}

bool wave_is_over(const struct wave *wave)
{
	for (int place = 0; place < WAVE_LATE; place++)
		if (wave->num[place])
			return false;
	return true;
}
