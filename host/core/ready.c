// SPDX-License-Identifier: MIT
/* Which entries there are, and whose. ready.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/ready.h"
#include "core/reap.h"

int ready_create(struct vm *vm, const struct vf_state *pool, struct vf_err *err)
{
	char name[VF_NAME_MAX + 1];
	uint64_t number;
	int ret = vf_random(&number, sizeof(number));

	if (ret < 0)
		return vf_err_errno(err, ret, "random numbers");
	snprintf(name, sizeof(name), READY_PREFIX "%016" PRIx64, number);
	return vm_create_locked(vm, pool, name, err);
}

/* Is the snapshot still there, and the same? Return: 1, 0, -errno */
static int has_snapshot(const struct vf_state *state, const char *name,
			const uint8_t *id)
{
	struct snapshot s;
	struct vf_err err;
	int ret = snapshot_open(&s, state, name, &err);

	if (!ret)
		ret = !memcmp(s.id, id, sizeof(s.id));
	else if (ret == -ENOENT || ret == -EBADMSG)
		ret = 0;
	snapshot_close(&s);
	return ret;
}

int ready_publish(const struct vf_state *pool, const struct snapshot *snapshot,
		  struct vm *const *vms, unsigned int num, struct vf_err *err)
{
	/* who removes the snapshot looks for entries afterwards */
	__close int lock_fd = state_lock(pool, err);
	int ret;

	if (lock_fd < 0)
		return lock_fd;
	ret = has_snapshot(pool, snapshot->name, snapshot->id);
	if (ret <= 0)
		return vf_err_set(err, ret < 0 ? -ret : ESTALE,
				  "snapshot %s: is not there any more",
				  snapshot->name);
	for (unsigned int i = 0; i < num; i++)
		vm_created(vms[i]);
	return 0;
}

static bool nic_fits(const struct vm_nic *nic, const struct vm_link *link)
{
	return !strcmp(nic->net_name, link->net_name) &&
	       !net_wish_is_personal(&link->wish) &&
	       link->wish.no_ipv4 == !nic->port.num_addr4 &&
	       link->wish.no_ipv6 == !nic->port.num_addr6;
}

static bool fits(const struct vm *vm, const struct ready_wish *wish)
{
	const struct snapshot *s = wish->snapshot;

	if (memcmp(vm->snapshot_id, s->id, sizeof(s->id)) != 0 ||
	    vm->num_nics != s->num_nics)
		return false;
	for (unsigned int k = 0; k < vm->num_nics; k++)
		if (!nic_fits(&vm->nics[k], &wish->links[k]))
			return false;
	return true;
}

/*
 * Mark it as ours, if it is nobody's and its engine lives. The state is locked.
 * A mark is written once and linked into the others: it is removed, not changed.
 */
static bool claim(const struct vm *vm, const struct vm *first)
{
	struct vf_err ignored;

	if (faccessat(vm->run_fd, VM_CREATOR_FILE, F_OK, 0) == 0 ||
	    faccessat(vm->run_fd, VM_REAPER_FILE, F_OK, 0) == 0 ||
	    !process_mark_lives(vm->run_fd, PROCESS_FILE))
		return false;
	if (first && linkat(first->run_fd, VM_CREATOR_FILE, vm->run_fd,
			    VM_CREATOR_FILE, 0) == 0)
		return true;
	return process_mark(vm->run_fd, VM_CREATOR_FILE, &ignored) == 0;
}

int ready_claim(const struct vf_state *pool, const struct ready_wish *wish,
		struct vm *vms, unsigned int num, struct vf_err *err)
{
	__json json_t *names = NULL;
	__close int lock_fd = -1;
	unsigned int claimed = 0;
	json_t *name;
	size_t i;
	int ret = vf_list_dir(pool->vms_fd, &names, err);

	if (ret < 0 || !json_array_size(names))
		return ret;
	lock_fd = state_lock(pool, err);
	if (lock_fd < 0)
		return lock_fd;
	json_array_foreach(names, i, name) {
		struct vf_err ignored;
		struct vm vm;

		if (claimed == num)
			break;
		/* another command may have taken it since */
		if (vm_open(&vm, pool, json_string_value(name), &ignored) ==
			    0 &&
		    fits(&vm, wish) && claim(&vm, claimed ? vms : NULL))
			vms[claimed++] = vm;
		else
			vm_close(&vm);
	}
	return (int)claimed;
}

void ready_unclaim(struct vm *vm)
{
	vm_created(vm);
	vm_close(vm);
}

int ready_move(struct vm *vm, const struct vf_state *state, const char *name,
	       struct vf_err *err)
{
	int ret = vm_check_name(name, err);

	if (ret < 0)
		return ret;
	if (renameat2(state->pool_fd, vm->name, state->vms_fd, name,
		      RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return vf_err_set(err, EEXIST, "VM %s: exists", name);
		return vf_err_errno(err, errno, "VM %s", name);
	}
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	return 0;
}

/* Does a VM have a port that is leased by that name? */
static bool has_port(const struct vf_state *state, const char *name,
		     const char *owner)
{
	struct vf_err ignored;
	bool found = false;
	struct vm vm;

	if (vm_open(&vm, state, name, &ignored) == 0)
		for (unsigned int k = 0; k < vm.num_nics; k++)
			found |= !strcmp(vm.nics[k].port.owner, owner);
	vm_close(&vm);
	return found;
}

bool ready_owner_lives(const struct vf_state *state, const char *owner)
{
	const struct vf_state pool = state_pool(state);
	__json json_t *names = NULL;
	struct vf_err ignored;
	json_t *name;
	size_t i;

	if (strncmp(owner, READY_PREFIX, strlen(READY_PREFIX)) != 0)
		return false;
	/* in this order: it goes from here to there, never back */
	if (vm_get_state(&pool, owner) != VM_STATE_DEAD)
		return true;
	if (vm_list(state, &names, &ignored) < 0)
		return true;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);

		if (has_port(state, text, owner))
			return vm_get_state(state, text) != VM_STATE_DEAD;
	}
	return false;
}

static bool is_there(const struct vf_state *pool, const char *name)
{
	return faccessat(pool->vms_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Take away those of which a rule says so. The state is locked, by a descriptor
 * that is let go of while it takes time.
 */
static int remove_those(const struct vf_state *pool, int lock_fd,
			bool (*is_meant)(const struct vf_state *pool,
					 const char *name, const void *ctx),
			const void *ctx, json_t *removed, const char *prefix,
			struct vf_err *err)
{
	__json json_t *names = NULL, *meant = json_array();
	__close int fd = lock_fd;
	json_t *name;
	size_t i;
	int ret = vf_list_dir(pool->vms_fd, &names, err);

	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name)
		if (is_meant(pool, json_string_value(name), ctx))
			json_array_append(meant, name);
	if (!json_array_size(meant))
		return 0;
	ret = reap_vms_unlock(pool, meant, vf_steal_fd(&fd), err);
	json_array_foreach(meant, i, name) {
		const char *text = json_string_value(name);

		if (!is_there(pool, text))
			json_array_append_new(
				removed, json_sprintf("%s%s", prefix, text));
	}
	return ret;
}

static bool is_of(const struct vf_state *pool, const char *name,
		  const void *ctx)
{
	enum vm_state vm_state = vm_get_state(pool, name);
	const char *snapshot = ctx;
	struct vf_err ignored;
	bool meant;
	struct vm vm;

	if (vm_state == VM_STATE_CREATING || vm_state == VM_STATE_ENDING)
		return false;
	meant = vm_open(&vm, pool, name, &ignored) < 0 || !snapshot ||
		!strcmp(vm.snapshot, snapshot);
	vm_close(&vm);
	return meant;
}

int ready_drain(const struct vf_state *pool, const char *snapshot,
		json_t *removed, struct vf_err *err)
{
	int lock_fd = state_lock(pool, err);

	if (lock_fd < 0)
		return lock_fd;
	return remove_those(pool, lock_fd, is_of, snapshot, removed, "", err);
}

static bool is_useless(const struct vf_state *pool, const char *name,
		       const void *ctx)
{
	enum vm_state vm_state = vm_get_state(pool, name);
	struct vf_err ignored;
	bool meant = false;
	struct vm vm;

	(void)ctx;
	/* one that was just moved looks dead, but is not there any more */
	if (vm_state != VM_STATE_RUNNING)
		return vm_state == VM_STATE_DEAD && is_there(pool, name);
	if (vm_open(&vm, pool, name, &ignored) == 0)
		meant = has_snapshot(pool, vm.snapshot, vm.snapshot_id) == 0;
	vm_close(&vm);
	return meant;
}

int ready_gc(const struct vf_state *pool, int lock_fd, json_t *removed,
	     struct vf_err *err)
{
	return remove_those(pool, lock_fd, is_useless, NULL, removed,
			    "pool entry ", err);
}

int ready_drop_orphans(const struct vf_state *state, struct vf_err *err)
{
	const struct vf_state pool = state_pool(state);
	__json json_t *removed = json_array();
	int lock_fd = state_lock(state, err);

	if (lock_fd < 0)
		return lock_fd;
	return remove_those(&pool, lock_fd, is_useless, NULL, removed, "", err);
}
