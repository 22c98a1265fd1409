// SPDX-License-Identifier: MIT
/* What a process was told is found in it, and changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those first */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/word.h"

#define BYTES 64
#define MIB   (1UL << 20)

/* Where the child has it. */
struct place {
	size_t mapped; /* bytes of anonymous memory; 0: heap */
	size_t at;     /* in there */
	unsigned int num;
	/* of what it has: what was read in an earlier test is still in us */
	unsigned int key;
};

/* Byte by byte, and only where it shall stand: no copy of it is left elsewhere. */
static void put(uint8_t *to, unsigned int key)
{
	for (volatile unsigned int i = 0; i < BYTES; i++)
		to[i] = (uint8_t)((i * 37 + key) ^ (i << 3));
}

static _Noreturn void child(const struct place *place, int ready_fd)
{
	size_t room = place->mapped ? place->mapped
				    : place->at + place->num * BYTES;
	uint8_t *memory = place->mapped
				  ? mmap(NULL, room, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
				  : calloc(1, room);

	for (unsigned int i = 0; i < place->num; i++)
		put(memory + place->at + (size_t)i * BYTES, place->key);
	(void)!write(ready_fd, "", 1);
	for (;;)
		pause();
}

static void start(struct process *proc, const struct place *place)
{
	int fds[2];
	char c;

	assert_int_equal(pipe(fds), 0);
	proc->pid = fork();
	if (proc->pid == 0)
		child(place, fds[1]);
	assert_int_equal(process_open_own(proc, proc->pid), 0);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
	close(fds[1]);
}

static void end(struct process *proc)
{
	pid_t pid = proc->pid;

	process_kill(proc, 0);
	process_close(proc);
	waitpid(pid, NULL, 0);
}

static unsigned int count(const struct process *proc, unsigned int key)
{
	uint8_t what[BYTES];
	struct word word;
	struct vf_err err;

	put(what, key);
	assert_int_equal(word_find(proc, what, BYTES, &word, &err), 0);
	return word.num;
}

static void check_place(const struct place *place)
{
	uint8_t was[BYTES], is[BYTES];
	struct process proc;
	struct word word;
	struct vf_err err;

	start(&proc, place);
	put(was, place->key);
	put(is, place->key + 1);
	assert_int_equal(word_find(&proc, was, BYTES, &word, &err), 0);
	assert_int_equal(word.num, place->num);
	assert_int_equal(word_change(&proc, &word, was, is, BYTES, &err), 0);
	assert_int_equal(count(&proc, place->key), 0);
	assert_int_equal(count(&proc, place->key + 1), place->num);
	/* it is not there any more: what is there is left */
	assert_int_equal(word_change(&proc, &word, was, is, BYTES, &err),
			 place->num ? -ESTALE : 0);
	assert_int_equal(count(&proc, place->key + 1), place->num);
	end(&proc);
}

static void found_wherever_it_is(void **state)
{
	static const struct place places[] = {
		{ .at = 3, .num = 1, .key = 10 },
		{ .at = 77, .num = 2, .key = 12 },
		{ .mapped = MIB, .num = 1, .key = 14 },
		/* across the pieces in which memory is read */
		{ .mapped = 4 * MIB,
		  .at = MIB - BYTES / 2,
		  .num = 1,
		  .key = 16 },
		{ .mapped = 4 * MIB, .at = MIB - BYTES, .num = 3, .key = 18 },
		/* at the very end */
		{ .mapped = 2 * MIB,
		  .at = 2 * MIB - BYTES,
		  .num = 1,
		  .key = 20 },
		{ .num = 0, .key = 22 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		check_place(&places[i]);
}

static void too_many(void **state)
{
	const struct place place = { .num = WORD_PLACES + 1, .key = 60 };
	uint8_t what[BYTES];
	struct process proc;
	struct word word;
	struct vf_err err;

	(void)state;
	start(&proc, &place);
	put(what, place.key);
	assert_int_equal(word_find(&proc, what, BYTES, &word, &err), -E2BIG);
	end(&proc);
}

/* Whoever has its number by now is left alone. */
static void ended(void **state)
{
	const struct place place = { .num = 1, .key = 70 };
	uint8_t was[BYTES], is[BYTES];
	struct process proc;
	struct word word;
	struct vf_err err;

	(void)state;
	start(&proc, &place);
	put(was, place.key);
	put(is, place.key + 1);
	assert_int_equal(word_find(&proc, was, BYTES, &word, &err), 0);
	assert_int_equal(process_kill(&proc, 0), 0);
	assert_int_equal(word_change(&proc, &word, was, is, BYTES, &err),
			 -ECONNRESET);
	end(&proc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_wherever_it_is),
		cmocka_unit_test(too_many),
		cmocka_unit_test(ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
