// SPDX-License-Identifier: MIT
/* Distributions, and what a watch sees of a process that stands still. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "bench/stats.h"
#include "bench/watch.h"

#define STOPPED_US 60000
#define COUNTS	   1000000

static void nothing(void **state)
{
	json_t *json = stats_pack(NULL, 0);

	(void)state;
	assert_int_equal(stats_percentile(NULL, 0, 50), 0);
	assert_int_equal(stats_mean(NULL, 0), 0);
	assert_int_equal(json_integer_value(json_object_get(json, "n")), 0);
	json_decref(json);
}

static void ranks(void **state)
{
	int64_t samples[] = { 7, 1, 10, 4, 2, 9, 3, 8, 6, 5 };
	json_t *json;

	(void)state;
	stats_sort(samples, 10);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(samples[i], i + 1);
	assert_int_equal(stats_percentile(samples, 10, 0), 1);
	assert_int_equal(stats_percentile(samples, 10, 50), 5);
	assert_int_equal(stats_percentile(samples, 10, 51), 6);
	assert_int_equal(stats_percentile(samples, 10, 90), 9);
	assert_int_equal(stats_percentile(samples, 10, 99), 10);
	json = stats_pack(samples, 10);
	assert_int_equal(json_integer_value(json_object_get(json, "mean")), 5);
	assert_int_equal(json_integer_value(json_object_get(json, "p99")), 10);
	json_decref(json);
}

static void one(void **state)
{
	const int64_t sample = -3;

	(void)state;
	for (unsigned int p = 0; p <= 100; p += 25)
		assert_int_equal(stats_percentile(&sample, 1, p), -3);
	assert_int_equal(stats_mean(&sample, 1), -3);
}

static pid_t counter_start(volatile uint64_t *count)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;)
		(*count)++;
}

static bool may_read(pid_t pid, void *at)
{
	uint64_t value;
	struct iovec local = { &value, sizeof(value) };
	struct iovec remote = { at, sizeof(value) };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof(value);
}

static void wait_for_counts(const volatile uint64_t *count)
{
	int64_t deadline_us = vf_now_us() + 10000000;
	uint64_t from = *count;

	while (*count - from < COUNTS)
		assert_true(vf_now_us() < deadline_us);
}

/* A gap is never longer than it was; how much shorter depends on the machine. */
static void a_stop_is_seen(void **state)
{
	volatile uint64_t *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = counter_start(count);
	struct watch_sight sight;
	struct watch watch;
	struct vf_err err;
	int64_t start_us, us;

	(void)state;
	wait_for_counts(count);
	if (!may_read(pid, (void *)count)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		skip();
	}
	start_us = vf_now_us();
	assert_int_equal(watch_start(&watch, pid, (uintptr_t)count, &err), 0);
	wait_for_counts(count);
	watch_take(&watch);
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	usleep(STOPPED_US);
	kill(pid, SIGCONT);
	wait_for_counts(count);
	us = vf_now_us() - start_us;
	sight = watch_take(&watch);
	watch_stop(&watch);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap((void *)count, 4096);
	assert_true(sight.gap_us <= us);
	assert_true(sight.gap_us + 2 * sight.blind_us >= STOPPED_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(ranks),
		cmocka_unit_test(one),
		cmocka_unit_test(a_stop_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
