// SPDX-License-Identifier: MIT
/* The queue in which forks get their rates: each once, dropped, ended twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "core/fork.h"
#include "core/shaper.h"

#define JOBS   1000
#define NOBODY 65534

struct fixture {
	struct shaper shaper;
	struct fork_job jobs[JOBS];
	struct vf_err err;
};

/* Forks whose links no machine has: each attempt is noted as failed. */
static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	*state = fix;
	if (!fix)
		return -1;
	for (unsigned int i = 0; i < JOBS; i++) {
		struct vm *vm = &fix->jobs[i].vm;

		vm->num_nics = VM_NICS_MAX;
		for (unsigned int k = 0; k < VM_NICS_MAX; k++) {
			memcpy(vm->nics[k].port.tap, "vfnone", 7);
			vm->nics[k].rates.in_bits = 1000000;
			vm->nics[k].shaping = NIC_SHAPING_PENDING;
		}
		timeline_init(&fix->jobs[i].timeline);
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	shaper_end(&fix->shaper, true);
	free(fix);
	return 0;
}

static void start(struct fixture *fix)
{
	assert_int_equal(shaper_start(&fix->shaper, JOBS, &fix->err), 0);
}

static void add_all(struct fixture *fix)
{
	for (unsigned int i = 0; i < JOBS; i++)
		shaper_add(&fix->shaper, &fix->jobs[i]);
}

static bool is_done(const struct fork_job *job)
{
	const struct timeline *tl = &job->timeline;

	return job->vm.nics[0].shaping == NIC_SHAPING_FAILED &&
	       job->shaping_err.num && tl->from_us[TIMELINE_SHAPED] &&
	       tl->at_us[TIMELINE_SHAPED] >= tl->from_us[TIMELINE_SHAPED];
}

static bool is_untouched(const struct fork_job *job)
{
	return job->vm.nics[0].shaping == NIC_SHAPING_PENDING &&
	       !job->shaping_err.num && !job->timeline.from_us[TIMELINE_SHAPED];
}

/* Who ends it without dropping waits for all, one after the other. */
static void all_are_done(void **state)
{
	struct fixture *fix = *state;

	start(fix);
	add_all(fix);
	shaper_end(&fix->shaper, false);
	for (unsigned int i = 0; i < JOBS; i++) {
		assert_true(is_done(&fix->jobs[i]));
		if (i)
			assert_true(
				fix->jobs[i]
					.timeline.from_us[TIMELINE_SHAPED] >=
				fix->jobs[i - 1]
					.timeline.at_us[TIMELINE_SHAPED]);
	}
}

/* What had not begun is left: all after the last that was. */
static void the_rest_is_dropped(void **state)
{
	struct fixture *fix = *state;
	unsigned int done = 0;

	start(fix);
	add_all(fix);
	shaper_end(&fix->shaper, true);
	while (done < JOBS && is_done(&fix->jobs[done]))
		done++;
	/* each is four requests and answers of the kernel's: time enough */
	assert_int_not_equal(done, JOBS);
	for (unsigned int i = done; i < JOBS; i++)
		assert_true(is_untouched(&fix->jobs[i]));
}

/* Nobody waits for ever; and all is done, or it was for want of time. */
static void waited_for(void **state)
{
	struct fixture *fix = *state;
	int fds[2], ret;

	assert_int_equal(shaper_wait(&fix->shaper, -1, 0), 0);
	start(fix);
	add_all(fix);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(close(fds[1]), 0);
	ret = shaper_wait(&fix->shaper, fds[0], vf_now_us() + 60000000);
	assert_int_equal(ret, -ECANCELED);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(shaper_wait(&fix->shaper, -1, vf_now_us()),
			 -ETIMEDOUT);
	assert_int_equal(shaper_wait(&fix->shaper, -1, vf_now_us() + 60000000),
			 0);
	assert_true(is_done(&fix->jobs[JOBS - 1]));
}

static void gave_up(void **state)
{
	struct fixture *fix = *state;
	struct fork_job *job = &fix->jobs[0];

	job->vm.nics[1].shaping = NIC_SHAPING_APPLIED;
	nics_give_up(job->vm.nics, job->vm.num_nics, &job->shaping_err);
	assert_int_equal(job->vm.nics[0].shaping, NIC_SHAPING_FAILED);
	assert_string_equal(job->vm.nics[0].shaping_why, "not in time");
	assert_int_equal(job->vm.nics[1].shaping, NIC_SHAPING_APPLIED);
	assert_int_equal(job->shaping_err.num, ETIMEDOUT);
}

static void ended_twice(void **state)
{
	struct fixture *fix = *state;

	/* one that never began */
	shaper_end(&fix->shaper, false);
	start(fix);
	shaper_add(&fix->shaper, &fix->jobs[0]);
	shaper_end(&fix->shaper, false);
	assert_true(is_done(&fix->jobs[0]));
	shaper_end(&fix->shaper, false);
	shaper_end(&fix->shaper, true);
	/* nobody works it off any more */
	shaper_add(&fix->shaper, &fix->jobs[1]);
	assert_true(is_untouched(&fix->jobs[1]));
}

static void nothing_to_limit(void **state)
{
	struct fixture *fix = *state;
	struct fork_job *job = &fix->jobs[0];

	for (unsigned int k = 0; k < VM_NICS_MAX; k++)
		job->vm.nics[k].shaping = NIC_SHAPING_NONE;
	start(fix);
	shaper_add(&fix->shaper, job);
	shaper_end(&fix->shaper, false);
	assert_int_equal(job->vm.nics[0].shaping, NIC_SHAPING_NONE);
	assert_int_equal(job->timeline.from_us[TIMELINE_SHAPED], 0);
}

/* As a user who may not have another thread. */
static _Noreturn void no_thread(struct fixture *fix)
{
	const struct rlimit none = { 0 };
	int ret;

	setrlimit(RLIMIT_NPROC, &none);
	/* root may have more than its limit */
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
	ret = shaper_start(&fix->shaper, JOBS, &fix->err);
	shaper_add(&fix->shaper, &fix->jobs[0]);
	shaper_end(&fix->shaper, false);
	_exit(ret != -EAGAIN || fix->err.num != EAGAIN ||
	      !is_untouched(&fix->jobs[0]));
}

static void start_failed(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		no_thread(*state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define shaper_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		shaper_test(all_are_done), shaper_test(the_rest_is_dropped),
		shaper_test(ended_twice),  shaper_test(waited_for),
		shaper_test(gave_up),	   shaper_test(nothing_to_limit),
		shaper_test(start_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
