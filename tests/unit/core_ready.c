// SPDX-License-Identifier: MIT
/* The pool's entries: who gets which, what fits, what is taken away when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those first */
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/ready.h"
#include "unit/scratch.h"

#define ENTRIES 3

struct fixture {
	struct scratch dir;
	struct vf_state state;
	struct vf_state pool;
	struct vf_err err;
	struct snapshot snapshot;
	struct vm_link links[VM_NICS_MAX];
	struct vm entries[ENTRIES]; /* as they were filled */
};

/* A process that could be an engine. */
static void spawn(struct vm *vm)
{
	char *argv[] = { (char *)"sleep", (char *)"600", NULL };
	struct process proc;
	struct vf_err err;

	assert_int_equal(
		process_spawn(&proc, vm->run_fd, "log", argv, NULL, 0, &err),
		0);
	process_close(&proc);
}

static void fill(struct fixture *fix, struct vm *vm, uint8_t number)
{
	struct vm_nic *nic = &vm->nics[0];

	assert_int_equal(ready_create(vm, &fix->pool, &fix->err), 0);
	vm->hardware = fix->snapshot.hardware;
	memcpy(vm->snapshot, "snap", 5);
	memcpy(vm->snapshot_id, fix->snapshot.id, sizeof(vm->snapshot_id));
	vm->num_nics = 1;
	memcpy(nic->net_name, "default", 8);
	nic->port = (struct net_port){
		.index = number,
		.mac = { 2, 0, 0, 0, 0, number },
		.num_addr4 = 1,
		.num_addr6 = 1,
		.prefix4 = 16,
		.prefix6 = 64,
	};
	snprintf(nic->port.tap, sizeof(nic->port.tap), "vf%06x", number);
	snprintf(nic->port.owner, sizeof(nic->port.owner), "%s", vm->name);
	nic->port.addr4[0].s_addr = htonl(0x0a000000U + number);
	inet_pton(AF_INET6, "fd00::2", &nic->port.addr6[0]);
	assert_int_equal(vm_save(vm, &fix->err), 0);
	spawn(vm);
}

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	*state = fix;
	if (!fix || scratch_init(&fix->dir) < 0 ||
	    state_open(&fix->state, fix->dir.path, &fix->err) < 0)
		return -1;
	fix->pool = state_pool(&fix->state);
	memset(fix->snapshot.id, 7, sizeof(fix->snapshot.id));
	fix->snapshot.num_nics = 1;
	fix->snapshot.hardware.engine = vmm_find("qemu");
	fix->snapshot.hardware.config.cpus = 1;
	fix->snapshot.hardware.config.memory_bytes = 1 << 20;
	fix->snapshot.hardware.config.accel = VMM_ACCEL_TCG;
	memcpy(fix->links[0].net_name, "default", 8);
	for (uint8_t i = 0; i < ENTRIES; i++) {
		fill(fix, &fix->entries[i], (uint8_t)(i + 2));
		vm_created(&fix->entries[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	__json json_t *removed = json_array();

	ready_drain(&fix->pool, NULL, removed, &fix->err);
	for (unsigned int i = 0; i < ENTRIES; i++)
		vm_close(&fix->entries[i]);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	state_close(&fix->state);
	scratch_exit(&fix->dir);
	free(fix);
	return 0;
}

static int claim(struct fixture *fix, struct vm *vms, unsigned int num)
{
	const struct ready_wish wish = { &fix->snapshot, fix->links };

	return ready_claim(&fix->pool, &wish, vms, num, &fix->err);
}

static void each_is_given_once(void **state)
{
	struct fixture *fix = *state;
	struct vm vms[ENTRIES + 1];

	assert_int_equal(claim(fix, vms, 2), 2);
	assert_string_not_equal(vms[0].name, vms[1].name);
	assert_int_equal(vm_get_state(&fix->pool, vms[0].name),
			 VM_STATE_CREATING);
	assert_int_equal(vm_get_state(&fix->pool, vms[1].name),
			 VM_STATE_CREATING);
	assert_int_equal(claim(fix, vms + 2, 2), 1);
	assert_int_equal(claim(fix, vms + 3, 1), 0);
	/* the mark is one file: giving one back gives back none of the others */
	ready_unclaim(&vms[0]);
	assert_int_equal(claim(fix, vms, 2), 1);
	for (unsigned int i = 0; i < ENTRIES; i++)
		ready_unclaim(&vms[i]);
}

static void what_does_not_fit(void **state)
{
	struct fixture *fix = *state;
	struct vm_link *link = &fix->links[0];
	const struct vm_link was = *link;
	struct vm vm;

	memcpy(link->net_name, "other", 6);
	assert_int_equal(claim(fix, &vm, 1), 0);
	*link = was;
	link->wish.no_ipv6 = true;
	assert_int_equal(claim(fix, &vm, 1), 0);
	*link = was;
	assert_int_equal(net_wish_mac(&link->wish, "02:00:00:00:00:02"), 0);
	assert_int_equal(claim(fix, &vm, 1), 0);
	*link = was;
	assert_int_equal(net_wish_addr(&link->wish, "10.0.0.2"), 0);
	assert_int_equal(claim(fix, &vm, 1), 0);
	*link = was;
	/* these are told, not built in */
	link->mtu = 1400;
	link->num_routes = 1;
	assert_int_equal(claim(fix, &vm, 1), 1);
	ready_unclaim(&vm);
	fix->snapshot.id[0] ^= 1;
	assert_int_equal(claim(fix, &vm, 1), 0);
	fix->snapshot.id[0] ^= 1;
	fix->snapshot.num_nics = 2;
	assert_int_equal(claim(fix, &vm, 1), 0);
}

static void dead_ones_are_not_given(void **state)
{
	struct fixture *fix = *state;
	struct vm vms[ENTRIES];

	for (unsigned int i = 0; i < 2; i++) {
		struct process proc;

		assert_int_equal(process_open(&proc, fix->entries[i].run_fd),
				 1);
		assert_int_equal(process_kill(&proc, 0), 0);
		process_close(&proc);
	}
	assert_int_equal(claim(fix, vms, ENTRIES), 1);
	assert_string_equal(vms[0].name, fix->entries[2].name);
	ready_unclaim(&vms[0]);
}

static void moved(void **state)
{
	struct fixture *fix = *state;
	char entry[VF_NAME_MAX + 1];
	struct vm vm, taken;

	assert_int_equal(claim(fix, &vm, 1), 1);
	memcpy(entry, vm.name, sizeof(entry));
	assert_true(ready_owner_lives(&fix->state, entry));
	assert_int_equal(ready_move(&vm, &fix->state, "No", &fix->err),
			 -EINVAL);
	assert_int_equal(vm_create(&taken, &fix->state, "web-1", &fix->err), 0);
	assert_int_equal(ready_move(&vm, &fix->state, "web-1", &fix->err),
			 -EEXIST);
	assert_string_equal(vm.name, entry);
	assert_int_equal(ready_move(&vm, &fix->state, "web-2", &fix->err), 0);
	assert_string_equal(vm.name, "web-2");
	/* its lease has the entry's name still, and is not a dead one's */
	assert_int_equal(vm_get_state(&fix->pool, entry), VM_STATE_DEAD);
	assert_true(ready_owner_lives(&fix->state, entry));
	assert_int_equal(vm_get_state(&fix->state, "web-2"), VM_STATE_CREATING);
	vm_created(&vm);
	assert_int_equal(vm_get_state(&fix->state, "web-2"), VM_STATE_RUNNING);
	assert_true(ready_owner_lives(&fix->state, entry));
	assert_false(ready_owner_lives(&fix->state, "pool-none"));
	/* no entry's name: not the pool's to say */
	assert_false(ready_owner_lives(&fix->state, "web-2"));
	/* back, for the teardown to end it */
	assert_int_equal(renameat(fix->state.vms_fd, "web-2",
				  fix->state.pool_fd, "web-2"),
			 0);
	vm_close(&vm);
	vm_close(&taken);
}

static size_t drained(struct fixture *fix, const char *snapshot)
{
	__json json_t *removed = json_array();

	assert_int_equal(ready_drain(&fix->pool, snapshot, removed, &fix->err),
			 0);
	return json_array_size(removed);
}

static void drain(void **state)
{
	struct fixture *fix = *state;
	struct vm vm;

	assert_int_equal(drained(fix, "other"), 0);
	assert_int_equal(claim(fix, &vm, 1), 1);
	/* somebody is about to run it */
	assert_int_equal(drained(fix, "snap"), ENTRIES - 1);
	assert_int_equal(vm_get_state(&fix->pool, vm.name), VM_STATE_CREATING);
	ready_unclaim(&vm);
	assert_int_equal(drained(fix, NULL), 1);
	assert_int_equal(drained(fix, NULL), 0);
}

/* Its snapshot has gone, and whoever removed it was killed before this. */
static void orphans(void **state)
{
	struct fixture *fix = *state;
	__json json_t *removed = json_array();
	struct vm *vms[] = { &fix->entries[0] };
	struct vm vm;

	memcpy(fix->snapshot.name, "snap", 5);
	assert_int_equal(
		ready_publish(&fix->pool, &fix->snapshot, vms, 1, &fix->err),
		-ESTALE);
	assert_int_equal(claim(fix, &vm, 1), 1);
	assert_int_equal(ready_gc(&fix->pool,
				  state_lock(&fix->state, &fix->err), removed,
				  &fix->err),
			 0);
	assert_int_equal(json_array_size(removed), ENTRIES - 1);
	ready_unclaim(&vm);
	assert_int_equal(ready_drop_orphans(&fix->state, &fix->err), 0);
	assert_int_equal(drained(fix, NULL), 0);
}

/* As long as any name, with the entry's own at its beginning. */
static void engine_name(void **state)
{
	struct fixture *fix = *state;
	const char *entry = fix->entries[0].name;
	char name[VF_NAME_MAX + 1];

	ready_engine_name(&fix->entries[0], name);
	assert_int_equal(strlen(name), VF_NAME_MAX);
	assert_memory_equal(name, entry, strlen(entry));
	assert_true(vf_name_is_valid(name, VF_NAME_MAX));
}

#define entry_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		entry_test(each_is_given_once),
		entry_test(what_does_not_fit),
		entry_test(dead_ones_are_not_given),
		entry_test(moved),
		entry_test(drain),
		entry_test(orphans),
		entry_test(engine_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
