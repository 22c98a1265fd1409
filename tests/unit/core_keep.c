// SPDX-License-Identifier: MIT
/* VMs that are kept: what their files say of them, after a kill at any moment. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/keep.h"
#include "core/reap.h"
#include "unit/scratch.h"

/* A process that is no more; the boot id is of no boot. */
#define GONE "00000000-0000-0000-0000-000000000000\n1 (gone) S 1\n"

struct fixture {
	struct scratch dir;
	struct vf_state state;
	struct vm vm;
	struct vf_err err;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix || scratch_init(&fix->dir) < 0 ||
	    state_open(&fix->state, fix->dir.path, &fix->err) < 0 ||
	    vm_create(&fix->vm, &fix->state, "web", &fix->err) < 0)
		return -1;
	fix->vm.hardware.engine = &qemu_ops;
	fix->vm.hardware.config.cpus = 1;
	fix->vm.hardware.config.memory_bytes = 1 << 20;
	fix->vm.disks = (struct vmm_disks){ .num = 1, .disk = { { 512, 1 } } };
	vm_created(&fix->vm);
	*state = fix;
	return vm_save(&fix->vm, &fix->err);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	vm_close(&fix->vm);
	state_close(&fix->state);
	scratch_exit(&fix->dir);
	free(fix);
	return 0;
}

static void put(struct fixture *fix, const char *name, const char *text)
{
	assert_int_equal(vf_write_file(fix->vm.run_fd, name, text, strlen(text),
				       false, &fix->err),
			 0);
}

static bool has(struct fixture *fix, const char *name)
{
	return faccessat(fix->vm.run_fd, name, F_OK, 0) == 0;
}

static void is(struct fixture *fix, enum vm_state vm_state, bool loose)
{
	assert_int_equal(vm_get_state(&fix->state, "web"), vm_state);
	assert_int_equal(keep_is_loose(&fix->state, "web"), loose);
}

static void seen(void **state)
{
	struct fixture *fix = *state;
	static const char *const files[] = {
		VM_CREATOR_FILE,
		VM_REAPER_FILE,
		PROCESS_FILE,
	};

	is(fix, VM_STATE_DEAD, false);
	put(fix, VM_KEPT_FILE, "");
	is(fix, VM_STATE_STOPPED, false);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		put(fix, files[i], GONE);
		is(fix, VM_STATE_STOPPED, true);
		assert_int_equal(unlinkat(fix->vm.run_fd, files[i], 0), 0);
	}
	assert_int_equal(
		process_mark(fix->vm.run_fd, VM_REAPER_FILE, &fix->err), 0);
	is(fix, VM_STATE_ENDING, false);
	assert_int_equal(
		process_mark(fix->vm.run_fd, VM_CREATOR_FILE, &fix->err), 0);
	is(fix, VM_STATE_CREATING, false);
}

static void tidied(void **state)
{
	struct fixture *fix = *state;
	__json json_t *names = json_pack("[s]", "web");

	put(fix, VM_KEPT_FILE, "");
	put(fix, VM_CREATOR_FILE, GONE);
	put(fix, VM_REAPER_FILE, GONE);
	put(fix, PROCESS_FILE, GONE);
	put(fix, VM_MAIL_FILE, "mail");
	assert_int_equal(keep_tidy(&fix->state, names,
				   state_lock(&fix->state, &fix->err),
				   &fix->err),
			 0);
	is(fix, VM_STATE_STOPPED, false);
	assert_true(has(fix, VM_MAIL_FILE) && has(fix, VM_RECORD_FILE));
}

/* Of one nobody knows whether its engine has ended: the other is tidy all the same. */
static void tidied_beside(void **state)
{
	struct fixture *fix = *state;
	__json json_t *names = json_pack("[s,s]", "db", "web");
	struct vm db;

	assert_int_equal(vm_create(&db, &fix->state, "db", &fix->err), 0);
	assert_int_equal(mkdirat(db.run_fd, PROCESS_FILE, 0700), 0);
	vm_created(&db);
	put(fix, VM_KEPT_FILE, "");
	put(fix, PROCESS_FILE, GONE);
	assert_true(keep_tidy(&fix->state, names,
			      state_lock(&fix->state, &fix->err),
			      &fix->err) < 0);
	assert_non_null(strstr(fix->err.msg, "VM db"));
	assert_int_equal(faccessat(db.run_fd, PROCESS_FILE, F_OK, 0), 0);
	vm_close(&db);
	is(fix, VM_STATE_STOPPED, false);
}

static void claimed(void **state)
{
	struct fixture *fix = *state;
	struct vm vm;

	assert_int_equal(keep_claim(&vm, &fix->state, "web", -1, &fix->err),
			 -ESRCH);
	vm_close(&vm);
	assert_int_equal(keep_claim(&vm, &fix->state, "db", -1, &fix->err),
			 -ENOENT);
	vm_close(&vm);
	put(fix, VM_KEPT_FILE, "");
	put(fix, VM_CREATOR_FILE, GONE);
	assert_int_equal(keep_claim(&vm, &fix->state, "web", -1, &fix->err), 0);
	is(fix, VM_STATE_CREATING, false);
	assert_false(has(fix, VM_REAPER_FILE));
	keep_unclaim(&vm);
	vm_close(&vm);
	is(fix, VM_STATE_STOPPED, false);
}

static void stopped(void **state)
{
	struct fixture *fix = *state;
	const struct keep_request request = { .cancel_fd = -1 };

	/* nobody knows what became of it */
	put(fix, VM_REAPER_FILE, GONE);
	assert_int_equal(keep_check(&fix->state, "web", &fix->err), -ESRCH);
	assert_int_equal(unlinkat(fix->vm.run_fd, VM_REAPER_FILE, 0), 0);
	/* its guest has powered off */
	put(fix, PROCESS_FILE, GONE);
	assert_int_equal(keep_check(&fix->state, "web", &fix->err), 0);
	assert_int_equal(keep_stop(&fix->state, "web", &request, &fix->err), 0);
	is(fix, VM_STATE_STOPPED, false);
	fix->vm.disks.num = 0;
	assert_int_equal(vm_save(&fix->vm, &fix->err), 0);
	assert_int_equal(keep_check(&fix->state, "web", &fix->err), -ENOTSUP);
	assert_int_equal(keep_check(&fix->state, "db", &fix->err), -ENOENT);
}

static void removed(void **state)
{
	struct fixture *fix = *state;

	put(fix, VM_KEPT_FILE, "");
	assert_int_equal(reap_dead(&fix->state, "web", -1, &fix->err), 0);
	is(fix, VM_STATE_STOPPED, false);
	assert_int_equal(reap_vm(&fix->state, "web", &fix->err), 0);
	assert_int_equal(vm_run_open(&fix->state, "web"), -ENOENT);
}

/* Another command is at work on it, and lets go of it some time. */
static pid_t work_on(struct fixture *fix)
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		process_mark(fix->vm.run_fd, VM_REAPER_FILE, &fix->err);
		(void)!write(fds[1], "", 1);
		vf_write_file(fix->vm.run_fd, VM_KEPT_FILE, "", 0, false,
			      &fix->err);
		unlinkat(fix->vm.run_fd, VM_REAPER_FILE, 0);
		_exit(0);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

/* Not one that is kept, be it only just, by another command. */
static void spared(void **state)
{
	struct fixture *fix = *state;
	__json json_t *names = json_pack("[s]", "web");
	pid_t pid = work_on(fix);

	assert_int_equal(reap_unkept(&fix->state, names, -1, &fix->err), 0);
	assert_int_equal(json_array_size(names), 0);
	is(fix, VM_STATE_STOPPED, false);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(has(fix, VM_RECORD_FILE));
	/* nor one that was started again */
	assert_int_equal(process_mark(fix->vm.run_fd, PROCESS_FILE, &fix->err),
			 0);
	json_array_append_new(names, json_string("web"));
	assert_int_equal(reap_unkept(&fix->state, names, -1, &fix->err), 0);
	assert_int_equal(json_array_size(names), 0);
	is(fix, VM_STATE_RUNNING, false);
	assert_int_equal(unlinkat(fix->vm.run_fd, PROCESS_FILE, 0), 0);
	/* one that is not kept goes */
	assert_int_equal(unlinkat(fix->vm.run_fd, VM_KEPT_FILE, 0), 0);
	json_array_append_new(names, json_string("web"));
	assert_int_equal(reap_unkept(&fix->state, names, -1, &fix->err), 0);
	assert_int_equal(json_array_size(names), 1);
	assert_int_equal(vm_run_open(&fix->state, "web"), -ENOENT);
}

#define keep_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		keep_test(seen),	  keep_test(tidied),
		keep_test(tidied_beside), keep_test(claimed),
		keep_test(stopped),	  keep_test(removed),
		keep_test(spared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
