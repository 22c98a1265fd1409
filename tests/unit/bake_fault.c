// SPDX-License-Identifier: MIT
// time: 600
/*
 * A directory is as it was, or as it should be, whatever happens to a bake: at one
 * system call in seven the command is killed, or that one fails, at another one in
 * each run; at each where LONG is set, which takes a minute or two.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "unit/bake_fixture.h"

/* odd: what loops do to every second and fourth call stays mixed */
#define STEP 7

static int step(void)
{
	return getenv("LONG") ? 1 : STEP;
}

/*
 * The call that a loop begins with: some runs come to all of them. A pid would be the
 * same each time, in a namespace of its own.
 */
static int first(void)
{
	const uint8_t *random = (const uint8_t *)getauxval(AT_RANDOM);

	return 1 + *random % step();
}

/*
 * Memory is none that a bake asks the kernel for: the C library has enough in store. A
 * sanitizer asks, for itself, and ends at once if it gets none. Memory that cannot be
 * given back is no fault that anybody handles, and an exit that comes back is none that
 * there is: the C library answers it with a crash. Before one a sanitizer looks for its
 * signal stack, when the command has done its work.
 */
static bool is_no_fault(unsigned long call)
{
	return call == SYS_mmap || call == SYS_munmap || call == SYS_brk ||
	       call == SYS_exit_group || call == SYS_sigaltstack;
}

/* It goes on by itself, and ends: one that crashes has not failed as it should. */
static void let_go(struct fixture *fix, pid_t pid)
{
	int status;

	ptrace(PTRACE_DETACH, pid, 0, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	fix->failed = status != 0;
}

/* The call that it is about to make is another one, which there is not. */
static bool call_block(pid_t pid)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	if (is_no_fault(regs.orig_rax))
		return false;
	regs.orig_rax = (unsigned long)-1;
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
	return true;
}

static void call_fail(pid_t pid, int error)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	regs.rax = (unsigned long)-error;
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

static pid_t child_start(struct fixture *fix, enum bake_action action)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* the test's own would go on in here */
		signal(SIGSEGV, SIG_DFL);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(run(fix, action) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ptrace(PTRACE_SETOPTIONS, pid, 0,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	return pid;
}

/*
 * Run it in a child up to its n-th system call: there it is killed, or the call
 * fails, and so do all that follow if the fault is a lasting one.
 * Return: 0 if it ended before, else 1
 */
static int run_to(struct fixture *fix, enum bake_action action, int n,
		  int error)
{
	pid_t pid = child_start(fix, action);
	int status, count = 0, entry = 1;
	bool blocked = false;

	for (;; entry = !entry) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status)) {
			assert_true(WIFEXITED(status));
			fix->failed = status != 0;
			return count >= n;
		}
		assert_int_equal(WSTOPSIG(status), SIGTRAP | 0x80);
		if (entry && ++count >= n) {
			if (!error) {
				kill(pid, SIGKILL);
				waitpid(pid, &status, 0);
				return 1;
			}
			blocked = call_block(pid);
		} else if (!entry && blocked) {
			call_fail(pid, error);
		}
		if (count >= n && !fix->is_lasting && !(entry && blocked)) {
			let_go(fix, pid);
			return 1;
		}
	}
}

static void killed_anywhere(void **state)
{
	struct fixture *fix = *state;
	__free char *before = NULL;
	int n;

	fix->request.modules = "6.12";
	before = root_list(fix->dir.path);
	for (n = first(); run_to(fix, BAKE_INSTALL, n, 0); n += step()) {
		__free char *after = NULL;

		/* one in two is baked before it is removed */
		if (n % 2)
			assert_int_equal(run(fix, BAKE_INSTALL), 0);
		assert_int_equal(run(fix, BAKE_REMOVE), 0);
		after = root_list(fix->dir.path);
		assert_string_equal(before, after);
	}
	assert_true(n > 100);
	for (n = first(); run_to(fix, BAKE_REMOVE, n, 0); n += step()) {
		__free char *after = NULL;

		if (n % 2)
			assert_int_equal(run(fix, BAKE_INSTALL), 0);
		assert_int_equal(run(fix, BAKE_REMOVE), 0);
		after = root_list(fix->dir.path);
		assert_string_equal(before, after);
		comes_to(fix, BAKE_INSTALL, "baked");
	}
	assert_true(n > 100);
}

/* A command that says that it failed left nothing, without another one after it. */
static void failing_anywhere(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct fixture *fix = *state;
	__free char *before = root_list(fix->dir.path);
	int n;

	for (n = first(); run_to(fix, BAKE_INSTALL, n, errors[n % 2]);
	     n += step()) {
		__free char *after = NULL;

		if (!fix->failed)
			assert_int_equal(run(fix, BAKE_REMOVE), 0);
		after = root_list(fix->dir.path);
		assert_string_equal(before, after);
	}
	assert_true(n > 100);
}

/*
 * All of it is out, or the next command takes out what is left; one in two bakes
 * again before that.
 */
static void failing_removal(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct fixture *fix = *state;
	__free char *before = NULL;
	int n, failed = 0;

	fix->request.modules = "6.12";
	before = root_list(fix->dir.path);
	comes_to(fix, BAKE_INSTALL, "baked");
	for (n = first(); run_to(fix, BAKE_REMOVE, n, errors[n % 2]);
	     n += step()) {
		__free char *after = NULL;

		if (fix->failed && n % 4 < 2)
			assert_int_equal(run(fix, BAKE_INSTALL), 0);
		if (fix->failed)
			assert_int_equal(run(fix, BAKE_REMOVE), 0);
		failed += fix->failed;
		after = root_list(fix->dir.path);
		assert_string_equal(before, after);
		comes_to(fix, BAKE_INSTALL, "baked");
	}
	assert_true(n > 100 && failed * step() > 20);
}

/* Either the old or the new starts the agent, all the time. */
static void is_in_use(struct fixture *fix)
{
	static const char *const names[] = { "usr/sbin/vmfork-agent",
					     "usr/lib/vmfork/start-agent",
					     "usr/lib/vmfork/kept-inittab",
					     "usr/lib/vmfork/bake.json" };
	__free char *text = NULL;
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", fix->root, names[i]);
		assert_int_equal(access(path, F_OK), 0);
	}
	snprintf(path, sizeof(path), "%s/etc/inittab", fix->root);
	assert_int_equal(
		vf_read_file(AT_FDCWD, path, 4096, &text, NULL, &fix->err), 0);
	assert_non_null(strstr(text, "start-agent"));
}

/*
 * What the next command finds is the old or the new, all of it. That one takes
 * it out, or bakes what was there first.
 */
static void killed_anew(void **state)
{
	struct fixture *fix = *state;
	__free char *before = root_list(fix->dir.path), *baked = NULL;
	int n, more = 1;

	comes_to(fix, BAKE_INSTALL, "baked");
	baked = root_list(fix->dir.path);
	for (n = first(); more; n += step()) {
		__free char *after = NULL;

		fix->request.modules = "6.12";
		fix->request.signal = "vmgenid";
		more = run_to(fix, BAKE_INSTALL, n, 0);
		fix->request.modules = NULL;
		fix->request.signal = "auto";
		is_in_use(fix);
		assert_int_equal(run(fix, n % 2 ? BAKE_INSTALL : BAKE_REMOVE),
				 0);
		after = root_list(fix->dir.path);
		assert_string_equal(n % 2 ? baked : before, after);
		if (n % 2 == 0)
			comes_to(fix, BAKE_INSTALL, "baked");
	}
	assert_true(n > 100);
}

#define HIS_INITTAB                            \
	"::sysinit:/bin/his\n# vmfork bake\n"  \
	"::wait:/usr/lib/vmfork/start-agent\n" \
	"ttyS0::respawn:-/bin/sh\n"
#define HIS_OWN "::sysinit:/bin/his\nttyS0::respawn:-/bin/sh\n"

/* Somebody else's line in the file that has ours: it starts the agent all the time. */
static void killed_edited(void **state)
{
	struct fixture *fix = *state;
	int n, more = 1;

	for (n = first(); more; n += step()) {
		root_file(fix->root, "etc/inittab", ROOT_INITTAB);
		comes_to(fix, BAKE_INSTALL, "baked");
		root_file(fix->root, "etc/inittab", HIS_INITTAB);
		fix->request.signal = "vmgenid";
		more = run_to(fix, BAKE_INSTALL, n, 0);
		is_in_use(fix);
		fix->request.signal = "auto";
		if (n % 2)
			comes_to(fix, BAKE_INSTALL, "baked");
		is_in_use(fix);
		comes_to(fix, BAKE_REMOVE, "removed");
		text_of(fix, "etc/inittab", HIS_OWN);
	}
	assert_true(n > 100);
}

/* Kill it at the first call after which only the way forward is left. */
static void kill_staged(struct fixture *fix, int *n)
{
	bool is_staged = false;
	char path[256];

	snprintf(path, sizeof(path), "%s/.root.vmfork-bake", fix->dir.path);
	for (; !is_staged; *n += step()) {
		__json json_t *journal = NULL;

		root_file(fix->root, "etc/inittab", ROOT_INITTAB);
		run(fix, BAKE_INSTALL);
		fix->request.signal = "vmgenid";
		fix->request.modules = "6.12";
		assert_true(run_to(fix, BAKE_INSTALL, *n, 0));
		fix->request.signal = "auto";
		fix->request.modules = NULL;
		journal = json_load_file(path, 0, NULL);
		is_staged = json_is_true(json_object_get(journal, "staged"));
	}
	*n -= step();
}

/* What somebody changes before the next command comes stays, or is said. */
static void changed_after_kill(void **state)
{
	struct fixture *fix = *state;
	char path[256];
	int n = first();

	kill_staged(fix, &n);
	comes_to(fix, BAKE_CHECK, "damaged");
	snprintf(path, sizeof(path), "%s/etc/inittab", fix->root);
	assert_int_equal(unlink(path), 0);
	fix->request.init = INIT_BUSYBOX;
	assert_int_equal(run(fix, BAKE_INSTALL), -EINVAL);
	fix->request.init = INIT_AUTO;
	text_of(fix, "usr/lib/vmfork/kept-inittab", ROOT_INITTAB);
	comes_to(fix, BAKE_REMOVE, "removed");

	kill_staged(fix, &n);
	root_file(fix->root, "etc/inittab", HIS_INITTAB);
	comes_to(fix, BAKE_INSTALL, "baked");
	text_of(fix, "etc/inittab", HIS_INITTAB);
	comes_to(fix, BAKE_CHECK, "baked");
	comes_to(fix, BAKE_REMOVE, "removed");
	text_of(fix, "etc/inittab", HIS_OWN);

	kill_staged(fix, &n);
	root_file(fix->root, "usr/sbin/vmfork-agent", "his");
	refuses(fix, BAKE_INSTALL, -ESTALE, "/usr/sbin/vmfork-agent: changed");
	refuses(fix, BAKE_REMOVE, -ESTALE, "/usr/sbin/vmfork-agent: changed");
	snprintf(path, sizeof(path), "%s/usr/sbin/vmfork-agent", fix->root);
	assert_int_equal(unlink(path), 0);
	comes_to(fix, BAKE_INSTALL, "baked");
	comes_to(fix, BAKE_CHECK, "baked");
	comes_to(fix, BAKE_REMOVE, "removed");
	text_of(fix, "etc/inittab", ROOT_INITTAB);
}

/* What was baked before is there again. */
static void failing_anew(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct fixture *fix = *state;
	__free char *before = NULL;
	int n, failed = 0;

	comes_to(fix, BAKE_INSTALL, "baked");
	before = root_list(fix->dir.path);
	for (n = first();; n += step()) {
		__free char *after = NULL;
		int more;

		fix->request.modules = "6.12";
		more = run_to(fix, BAKE_INSTALL, n, errors[n % 2]);
		failed += fix->failed;
		fix->request.modules = NULL;
		if (!fix->failed)
			comes_to(fix, BAKE_INSTALL, "baked");
		after = root_list(fix->dir.path);
		assert_string_equal(before, after);
		if (!more)
			break;
	}
	assert_true(failed * step() > 100);
}

/* Nor does a fault that stays keep the next command from it, once it has passed. */
static void failing_lastingly(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct fixture *fix = *state;
	__free char *before = NULL;
	int n, more = 1, failed = 0;

	comes_to(fix, BAKE_INSTALL, "baked");
	before = root_list(fix->dir.path);
	for (n = first(); more; n += step()) {
		__free char *after = NULL;

		fix->request.modules = "6.12";
		fix->is_lasting = true;
		more = run_to(fix, BAKE_INSTALL, n, errors[n % 2]);
		fix->is_lasting = false;
		failed += fix->failed;
		is_in_use(fix);
		fix->request.modules = NULL;
		if (run(fix, BAKE_INSTALL) < 0)
			fail_msg("%s", fix->err.msg);
		after = root_list(fix->dir.path);
		assert_string_equal(before, after);
	}
	assert_true(failed * step() > 100);
}

#define bake_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bake_test(killed_anywhere), bake_test(failing_anywhere),
		bake_test(failing_removal), bake_test(killed_anew),
		bake_test(killed_edited),   bake_test(changed_after_kill),
		bake_test(failing_anew),    bake_test(failing_lastingly),
	};

	print_message("# one call in %d, from %d on\n", step(), first());
	return cmocka_run_group_tests_name("bake_fault", tests, NULL, NULL);
}
