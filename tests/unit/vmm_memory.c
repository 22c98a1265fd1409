// SPDX-License-Identifier: MIT
/*
 * Guest memory of a QEMU that says once where a page stands and nothing more:
 * a real process, with a peer that speaks for it.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"
#include "unit/scratch.h"
#include "vmm/qemu.h"

#define SOCKET	   "qmp"
#define PAGE_BYTES 4096
#define GPA	   0x5000
#define OPEN_US	   20000000
#define AT_ONCE_US 2000000 /* less than it would wait for an answer */

struct engine {
	struct scratch dir;
	int listen_fd;
	pthread_t thread;
	uint8_t *page; /* at the same place in the child */
	struct qemu qemu;
	struct vmm vmm;
	struct vf_err err;
};

static void hear(int fd)
{
	char byte = 0;

	while (byte != '\n' && recv(fd, &byte, 1, 0) == 1)
		;
}

/* The ids of a client count from 1 on. */
static void *peer_main(void *arg)
{
	const struct engine *engine = arg;
	int fd = accept(engine->listen_fd, NULL, NULL);
	char byte;

	dprintf(fd, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, "
		    "\"minor\": 0, \"major\": 10}}, \"capabilities\": []}}\n");
	hear(fd);
	dprintf(fd, "{\"return\": {}, \"id\": 1}\n");
	hear(fd);
	dprintf(fd,
		"{\"return\": \"Host virtual address for 0x%x (" QEMU_RAM_BLOCK
		") is %p\\r\\n\", \"id\": 2}\n",
		GPA, (void *)engine->page);
	while (recv(fd, &byte, 1, 0) == 1)
		;
	close(fd);
	return NULL;
}

static int engine_start(struct engine *engine)
{
	struct process *proc = &engine->vmm.proc;

	engine->page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (engine->page == MAP_FAILED)
		return -1;
	memset(engine->page, 'g', PAGE_BYTES);
	proc->pid = fork();
	if (proc->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	/* from here on it is the child's page alone that says 'g' */
	memset(engine->page, 0, PAGE_BYTES);
	proc->pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
	return proc->pidfd < 0 ? -1 : 0;
}

static int setup(void **state)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	*state = engine;
	if (!engine || scratch_init(&engine->dir) < 0 ||
	    engine_start(engine) < 0)
		return -1;
	engine->vmm.priv = &engine->qemu;
	engine->vmm.cancel_fd = -1;
	engine->listen_fd = vf_unix_listen(engine->dir.dir_fd, SOCKET);
	if (engine->listen_fd < 0 ||
	    pthread_create(&engine->thread, NULL, peer_main, engine) != 0)
		return -1;
	return qmp_open(&engine->qemu.qmp, engine->dir.dir_fd, SOCKET, -1,
			vf_now_us() + OPEN_US, &engine->err);
}

static int teardown(void **state)
{
	struct engine *engine = *state;

	qmp_close(&engine->qemu.qmp);
	pthread_join(engine->thread, NULL);
	close(engine->listen_fd);
	process_kill(&engine->vmm.proc, 0);
	process_close(&engine->vmm.proc);
	munmap(engine->page, PAGE_BYTES);
	scratch_exit(&engine->dir);
	free(engine);
	return 0;
}

static void assert_peek(struct engine *engine, uint64_t gpa, char want)
{
	int64_t start_us = vf_now_us();
	char got = 0;

	assert_int_equal(
		qemu_peek(&engine->vmm, gpa, &got, sizeof(got), &engine->err),
		0);
	assert_int_equal(got, want);
	assert_true(vf_now_us() - start_us < AT_ONCE_US);
}

/* Whoever asked once looks on, though nobody answers any more. */
static void one_page(void **state)
{
	struct engine *engine = *state;

	assert_peek(engine, GPA, 'g');
	assert_peek(engine, GPA + PAGE_BYTES - 1, 'g');
	assert_int_equal(qemu_poke(&engine->vmm, GPA + 7, "x", 1, &engine->err),
			 0);
	assert_peek(engine, GPA + 7, 'x');
	assert_peek(engine, GPA + 8, 'g');
	assert_int_equal(engine->page[7], 0);
}

/* Another page is another question, and does not make the first forgotten. */
static void other_page(void **state)
{
	__close int cancel_fd = eventfd(1, EFD_CLOEXEC);
	struct engine *engine = *state;
	char got;

	assert_peek(engine, GPA, 'g');
	engine->vmm.cancel_fd = cancel_fd;
	assert_int_equal(qemu_peek(&engine->vmm, GPA + PAGE_BYTES, &got, 1,
				   &engine->err),
			 -ECANCELED);
	assert_int_equal(
		qemu_peek(&engine->vmm, GPA - 1, &got, 2, &engine->err),
		-EINVAL);
	assert_peek(engine, GPA, 'g');
}

/* Its number may be another one's by now. */
static void gone(void **state)
{
	struct engine *engine = *state;
	char got;

	assert_peek(engine, GPA, 'g');
	kill(engine->vmm.proc.pid, SIGKILL);
	assert_int_equal(process_wait(&engine->vmm.proc, 10000), 0);
	assert_int_equal(qemu_peek(&engine->vmm, GPA, &got, 1, &engine->err),
			 -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_page, setup, teardown),
		cmocka_unit_test_setup_teardown(other_page, setup, teardown),
		cmocka_unit_test_setup_teardown(gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
