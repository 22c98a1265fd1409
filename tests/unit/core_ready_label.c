// SPDX-License-Identifier: MIT
/* An engine that was started ahead is told whose it is, or left as it was. */
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
#include <sys/prctl.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/ready.h"
#include "unit/scratch.h"

struct fixture {
	struct scratch dir;
	struct vf_state state;
	struct vf_state pool;
	struct vf_err err;
	struct vm vm; /* the entry */
};

/* This program anew, as an engine: nothing of what we have is in there. */
struct engine {
	struct vmm vmm;
	uint64_t name_hva; /* where it has them, as its label says */
	uint64_t mail_hva;
	uint64_t mailbox_hva; /* as it was recalled */
};

#define MEMORY_BYTES (1UL << 16)
#define GAP	     64
#define MAILBOX_GPA  0x1000
#define MAILBOX_HVA  0x7f0000001000

static int fake_locate(struct vmm *vmm, uint64_t gpa, uint64_t *hva,
		       struct vf_err *err)
{
	(void)vmm;
	(void)err;
	assert_int_equal(gpa, MAILBOX_GPA);
	*hva = MAILBOX_HVA;
	return 0;
}

static void fake_recall(struct vmm *vmm, uint64_t gpa, uint64_t hva)
{
	struct engine *engine = vmm->priv;

	assert_int_equal(gpa, MAILBOX_GPA);
	engine->mailbox_hva = hva;
}

static const struct vmm_ops fake_ops = {
	.locate = fake_locate,
	.recall = fake_recall,
};

/* With its name, and its mail so many times, in memory of its own. */
static int engine_main(const char *name, unsigned int mails)
{
	uint8_t *at = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return 1;
	memcpy(at, name, VF_NAME_MAX + 1);
	at += VF_NAME_MAX + 1 + GAP;
	for (unsigned int i = 0; i < mails; i++) {
		int fd = open(VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);

		if (read(fd, at, sizeof(struct vmfork_mail)) !=
		    sizeof(struct vmfork_mail))
			return 1;
		close(fd);
		at += sizeof(struct vmfork_mail) + GAP;
	}
	(void)!write(STDOUT_FILENO, "", 1);
	for (;;)
		pause();
}

static _Noreturn void engine_exec(const struct vm *vm, const char *mails,
				  int ready_fd)
{
	char name[VF_NAME_MAX + 1];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ready_engine_name(vm, name);
	dup2(ready_fd, STDOUT_FILENO);
	if (fchdir(vm->run_fd) == 0)
		execl("/proc/self/exe", "engine", name, mails, NULL);
	_exit(127);
}

static void engine_start(struct engine *engine, struct fixture *fix,
			 struct vm *vm, const char *mails)
{
	int fds[2];
	pid_t pid;
	char c;

	*engine = (struct engine){ .vmm.ops = &fake_ops };
	engine->vmm.run_fd = vm->run_fd;
	engine->vmm.priv = engine;
	vm->mailbox_gpa = MAILBOX_GPA;
	assert_int_equal(ready_write_mail(vm, &fix->err), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		engine_exec(vm, mails, fds[1]);
	close(fds[1]);
	assert_int_equal(process_open_own(&engine->vmm.proc, pid), 0);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
}

static void engine_end(struct engine *engine)
{
	assert_int_equal(process_kill(&engine->vmm.proc, 0), 0);
	process_close(&engine->vmm.proc);
}

static json_t *label_load(struct fixture *fix, const struct vm *vm)
{
	json_t *label;

	assert_int_equal(
		vf_json_load(vm->run_fd, READY_LABEL_FILE, &label, &fix->err),
		0);
	return label;
}

static void engine_label(struct engine *engine, struct fixture *fix,
			 const struct vm *vm)
{
	__json json_t *label = NULL;
	json_int_t name, mail;

	assert_int_equal(ready_label(vm, &engine->vmm, &fix->err), 0);
	label = label_load(fix, vm);
	/* there may be more of its name: on its command line */
	assert_int_equal(json_unpack(label, "{s:[I],s:[I!]}", "name", &name,
				     "mail", &mail),
			 0);
	engine->name_hva = (uint64_t)name;
	engine->mail_hva = (uint64_t)mail;
}

static void engine_peek(struct engine *engine, uint64_t at, void *buf,
			size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)at, len };

	assert_int_equal(process_vm_readv(engine->vmm.proc.pid, &local, 1,
					  &remote, 1, 0),
			 len);
}

/* Twice is as it was. */
static void engine_spoil(struct engine *engine, uint64_t at)
{
	uint8_t byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)(uintptr_t)at, 1 };

	engine_peek(engine, at, &byte, 1);
	byte ^= 1;
	assert_int_equal(process_vm_writev(engine->vmm.proc.pid, &local, 1,
					   &remote, 1, 0),
			 1);
}

static bool has_file(const struct vm *vm, const char *name)
{
	return faccessat(vm->run_fd, name, F_OK, 0) == 0;
}

static const struct letter letter_to_it = {
	.restore_id = { 1, 2, 3 },
	.nonce = { 4, 5, 6 },
	.identity.guest.hostname = "web-7",
};

static int relabel(struct engine *engine, struct fixture *fix,
		   const struct vm *vm)
{
	return ready_relabel(vm, &engine->vmm, &letter_to_it, &fix->err);
}

/* It gets the name of the VM that it was made, and that one's mail. */
static void relabelled(void **state)
{
	static const uint8_t none[VMFORK_ID_LEN];
	struct fixture *fix = *state;
	struct vm vm = fix->vm;
	char name[VF_NAME_MAX + 1], wanted[VF_NAME_MAX + 1] = "web-7";
	struct vmfork_mail mail, has;
	struct engine engine;

	engine_start(&engine, fix, &vm, "1");
	engine_label(&engine, fix, &vm);
	assert_true(ready_age_s(&fix->pool, vm.name) >= 0);
	engine_peek(&engine, engine.mail_hva, &has, sizeof(has));
	/* until then a guest takes it for none */
	assert_memory_equal(has.restore_id, none, sizeof(none));
	memcpy(vm.name, "web-7", 6);
	assert_int_equal(relabel(&engine, fix, &vm), 0);
	engine_peek(&engine, engine.name_hva, name, sizeof(name));
	assert_memory_equal(name, wanted, sizeof(name));
	assert_int_equal(letter_seal(&letter_to_it, 0, &mail, &fix->err), 0);
	engine_peek(&engine, engine.mail_hva, &has, sizeof(has));
	assert_memory_equal(&has, &mail, sizeof(mail));
	assert_int_equal(engine.mailbox_hva, MAILBOX_HVA);
	assert_false(has_file(&vm, READY_LABEL_FILE));
	assert_false(has_file(&vm, VM_MAIL_FILE));
	/* once */
	assert_int_equal(relabel(&engine, fix, &vm), -ENOENT);
	engine_end(&engine);
}

/* What is not there exactly once cannot be changed: there is no entry. */
static void not_found_once(void **state)
{
	static const char *const mails[] = { "0", "2" };
	struct fixture *fix = *state;

	for (size_t i = 0; i < ARRAY_SIZE(mails); i++) {
		struct vm *vm = &fix->vm;
		struct engine engine;

		engine_start(&engine, fix, vm, mails[i]);
		assert_int_equal(ready_label(vm, &engine.vmm, &fix->err),
				 -ENOTSUP);
		assert_false(has_file(vm, READY_LABEL_FILE));
		engine_end(&engine);
	}
}

static void entry_set(struct fixture *fix, const struct vm *vm,
		      const char *entry)
{
	__json json_t *label = label_load(fix, vm);

	json_object_set_new(label, "entry", json_string(entry));
	assert_int_equal(vf_json_save(vm->run_fd, READY_LABEL_FILE, label,
				      false, &fix->err),
			 0);
}

/* Something else is there than what the label says: it is left, all of it. */
static void label_is_stale(void **state)
{
	struct fixture *fix = *state;
	const struct vm *vm = &fix->vm;
	struct vmfork_mail was, is;
	struct engine engine;

	engine_start(&engine, fix, &fix->vm, "1");
	engine_label(&engine, fix, vm);
	engine_peek(&engine, engine.mail_hva, &was, sizeof(was));
	entry_set(fix, vm, READY_PREFIX "other");
	assert_int_equal(relabel(&engine, fix, vm), -ESTALE);
	entry_set(fix, vm, vm->name);
	engine_spoil(&engine, engine.mail_hva + sizeof(was) - 1);
	assert_int_equal(relabel(&engine, fix, vm), -ESTALE);
	engine_spoil(&engine, engine.mail_hva + sizeof(was) - 1);
	engine_peek(&engine, engine.mail_hva, &is, sizeof(is));
	assert_memory_equal(&is, &was, sizeof(is));
	engine_spoil(&engine, engine.name_hva + VF_NAME_MAX - 1);
	assert_int_equal(relabel(&engine, fix, vm), -ESTALE);
	assert_int_equal(engine.mailbox_hva, 0);
	assert_true(has_file(vm, READY_LABEL_FILE));
	engine_end(&engine);
}

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	*state = fix;
	if (!fix || scratch_init(&fix->dir) < 0 ||
	    state_open(&fix->state, fix->dir.path, &fix->err) < 0)
		return -1;
	fix->pool = state_pool(&fix->state);
	return ready_create(&fix->vm, &fix->pool, &fix->err);
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

#define label_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		label_test(relabelled),
		label_test(not_found_once),
		label_test(label_is_stale),
	};

	if (argc == 3)
		return engine_main(argv[1], (unsigned int)atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
