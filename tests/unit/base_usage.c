// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/usage.h"

#define MAPPED (16 << 20)

/* What it writes of its own is private; what it reads of a file is shared. */
static void counts_memory(void **state)
{
	struct usage_memory before, after;
	char *own = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("usage", MFD_CLOEXEC);
	volatile char *file;
	char sum = 0;

	(void)state;
	assert_ptr_not_equal(own, MAP_FAILED);
	assert_return_code(ftruncate(fd, MAPPED), 0);
	file = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	assert_int_equal(usage_memory(getpid(), &before), 0);
	memset(own, 1, MAPPED);
	for (size_t i = 0; i < MAPPED; i += 4096)
		sum |= file[i];
	assert_int_equal(sum, 0);
	assert_int_equal(usage_memory(getpid(), &after), 0);
	assert_in_range(after.private_bytes - before.private_bytes, MAPPED,
			MAPPED + (4 << 20));
	assert_in_range(after.shared_bytes - before.shared_bytes, MAPPED,
			MAPPED + (4 << 20));
	/* a copy of a file's page is its own */
	before = after;
	memset((char *)file, 1, MAPPED);
	assert_int_equal(usage_memory(getpid(), &after), 0);
	assert_in_range(after.private_bytes - before.private_bytes, MAPPED,
			MAPPED + (4 << 20));
	assert_true(after.shared_bytes < before.shared_bytes);
	munmap(own, MAPPED);
	munmap((void *)file, MAPPED);
	close(fd);
}

/* A child that works for a while, as another process sees it. */
static void counts_processor(void **state)
{
	int64_t us = 0, before_us = 0;
	int end[2], pid;

	(void)state;
	assert_int_equal(usage_cpu_us(getpid(), &before_us), 0);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		while (usage_cpu_us(getpid(), &us) == 0 && us < 50000)
			continue;
		(void)!write(end[1], "", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(
		vf_wait_readable(end[0], -1, vf_now_us() + 60 * 1000000), 0);
	assert_int_equal(usage_cpu_us(pid, &us), 0);
	assert_in_range(us, 50000, 1000000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(end[0]);
	close(end[1]);
}

static void says_who_is_gone(void **state)
{
	struct usage_memory memory = { .private_bytes = 7 };
	int64_t us = 7;
	int pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(usage_memory(pid, &memory) < 0);
	assert_true(usage_cpu_us(pid, &us) < 0);
	assert_int_equal(memory.private_bytes, 7);
	assert_int_equal(us, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_memory),
		cmocka_unit_test(counts_processor),
		cmocka_unit_test(says_who_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
