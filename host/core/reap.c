// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cpu.h"
#include "base/files.h"
#include "base/json.h"
#include "core/reap.h"
#include "core/reap_mark.h"

#define KILL_MS	    10000
#define FILES_SPARE 32 /* for all else that is opened meanwhile */

static const char *name_at(const json_t *names, size_t i)
{
	return json_string_value(json_array_get(names, i));
}

/* How long until then, for those who wait in milliseconds. */
static int ms_until(int64_t deadline_us)
{
	int64_t left_us = deadline_us - vf_now_us();

	return left_us > 0 ? (int)(left_us / 1000) : 0;
}

static void signal_engine(const struct vf_state *state, const char *name,
			  struct process *proc, int *ret, struct vf_err *err)
{
	__close int fd = vm_run_open(state, name);
	struct vf_err why;
	int told = fd < 0 ? fd : process_open(proc, fd);

	if (told > 0)
		process_signal(proc, SIGKILL);
	/* what is no VM has no engine */
	if (told >= 0 || reap_is_none(fd))
		return;
	vf_err_errno(&why, told, "VM %s: its process", name);
	vf_err_first(err, ret, &why);
}

/* One of a VM's ports and the network that it is on. */
struct plug {
	char net_name[NET_NAME_MAX + 1];
	struct net_port port;
};

/* The ports of all VMs, sorted by network. */
struct plugs {
	struct plug *plugs;
	struct net_port *ports; /* room for as many */
	unsigned int num;
};

static int plug_compare(const void *a, const void *b)
{
	const struct plug *pa = a, *pb = b;

	return strcmp(pa->net_name, pb->net_name);
}

static void plugs_exit(struct plugs *plugs)
{
	free(plugs->plugs);
	free(plugs->ports);
}

/* Return: 0, or -errno where a VM may have ports that its record would tell */
static int plugs_add(struct plugs *plugs, const struct vf_state *state,
		     const char *name, struct vf_err *err)
{
	struct vm vm;
	int ret = vm_open(&vm, state, name, err);

	for (unsigned int k = 0; !ret && k < vm.num_nics; k++) {
		const struct vm_nic *nic = &vm.nics[k];
		struct plug *plug = &plugs->plugs[plugs->num++];

		memcpy(plug->net_name, nic->net_name, sizeof(nic->net_name));
		plug->port = nic->port;
	}
	vm_close(&vm);
	if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM || ret == -EIO)
		return ret;
	/* without a record it has no port that we know: gc finds it */
	return 0;
}

static int plugs_init(struct plugs *plugs, const struct vf_state *state,
		      const json_t *names, struct vf_err *err)
{
	size_t i, max = json_array_size(names) * VM_NICS_MAX + 1;
	json_t *name;

	*plugs = (struct plugs){ calloc(max, sizeof(*plugs->plugs)),
				 calloc(max, sizeof(*plugs->ports)), 0 };
	if (!plugs->plugs || !plugs->ports)
		return vf_err_errno(err, ENOMEM, "ports");
	json_array_foreach(names, i, name) {
		int ret = plugs_add(plugs, state, json_string_value(name), err);
		if (ret < 0)
			return ret;
	}
	qsort(plugs->plugs, plugs->num, sizeof(*plugs->plugs), plug_compare);
	return 0;
}

/* Delete all TAPs. They go with their engines anyway, so no failure matters. */
static void drop_taps(struct plugs *plugs)
{
	struct vf_err ignored;

	for (unsigned int i = 0; i < plugs->num; i++)
		plugs->ports[i] = plugs->plugs[i].port;
	net_ports_drop(plugs->ports, plugs->num, &ignored);
}

/* How many engines can be looked after at a time: each takes a descriptor. */
static size_t some_of(size_t num)
{
	size_t room = files_left();

	room = room > FILES_SPARE ? room - FILES_SPARE : 1;
	return num < room ? num : room;
}

static void signal_some(const struct vf_state *state, const json_t *names,
			size_t from, struct process *procs, size_t num,
			int *ret, struct vf_err *err)
{
	for (size_t i = 0; i < num; i++) {
		procs[i] = (struct process){ .pidfd = -1 };
		signal_engine(state, name_at(names, from + i), &procs[i], ret,
			      err);
		files_lift(&procs[i].pidfd);
	}
}

static void await_some(const json_t *names, size_t from, struct process *procs,
		       size_t num, int *ret, struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + KILL_MS * 1000;
	struct vf_err why;

	for (size_t i = 0; i < num; i++) {
		if (process_wait(&procs[i], ms_until(deadline_us)) < 0) {
			vf_err_set(&why, ETIMEDOUT, "VM %s: does not end",
				   name_at(names, from + i));
			vf_err_first(err, ret, &why);
		}
		process_close(&procs[i]);
	}
}

/*
 * End all engines. At once, for there is nothing that an engine could save: what
 * it writes goes with the VM. All, or as many as there are descriptors for, are
 * signalled before one is waited for, since one that ends among others that run
 * takes many times as long; and nothing takes a signal back, so that their TAPs
 * need not wait for them either: going with its engine each would wait for the
 * kernel alone.
 */
static void kill_engines(const struct vf_state *state, const json_t *names,
			 struct plugs *plugs, int *ret, struct vf_err *err)
{
	size_t from, some, num = json_array_size(names);
	__free struct process *procs = calloc(num + 1, sizeof(*procs));
	struct vf_err why;

	if (!procs) {
		vf_err_errno(&why, ENOMEM, "engines");
		vf_err_first(err, ret, &why);
		return;
	}
	for (from = 0; from < num; from += some) {
		some = some_of(num - from);
		signal_some(state, names, from, procs, some, ret, err);
		if (!*ret && from + some == num)
			drop_taps(plugs);
		await_some(names, from, procs, some, ret, err);
	}
}

typedef int (*ports_fn)(struct net *net, const struct net_port *ports,
			unsigned int num, struct vf_err *err);

/* Detach or release the ports of VMs that are all on one network. */
static void free_ports_of(const struct vf_state *state, const char *net_name,
			  const struct net_port *ports, unsigned int num,
			  ports_fn do_free, int *ret, struct vf_err *err)
{
	struct net *net = NULL;
	struct vf_err why;

	/* a network that has gone took its leases with it */
	if (net_open_existing(&net, state->net_fd, net_name, &why) < 0) {
		if (why.num != ENOENT)
			vf_err_first(err, ret, &why);
		return;
	}
	if (do_free(net, ports, num, &why) < 0)
		vf_err_first(err, ret, &why);
	net_close(net);
}

static void free_ports(const struct vf_state *state, struct plugs *plugs,
		       ports_fn do_free, int *ret, struct vf_err *err)
{
	const struct plug *all = plugs->plugs;
	unsigned int end;

	for (unsigned int i = 0; i < plugs->num; i = end) {
		for (end = i;
		     end < plugs->num && !plug_compare(&all[i], &all[end]);
		     end++)
			plugs->ports[end - i] = all[end].port;
		free_ports_of(state, all[i].net_name, plugs->ports, end - i,
			      do_free, ret, err);
	}
}

/*
 * Give back room that only a living VM needs, or one that is being made: on a
 * full disk the lease file could not be written anew without it.
 */
static void make_room(const struct vf_state *state, const json_t *names)
{
	static const char *const files[] = {
		VM_MAIL_FILE,
		VM_CREATOR_FILE,
		VMM_ENGINE_LOG,
	};
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		__close int fd = vm_run_open(state, json_string_value(name));

		for (size_t k = 0; fd >= 0 && k < ARRAY_SIZE(files); k++)
			unlinkat(fd, files[k], 0);
	}
}

/* All that takes time; whoever else looks at them knows that they are going. */
static int end_vms(const struct vf_state *state, const json_t *names,
		   struct plugs *plugs, bool keep, struct vf_err *err)
{
	/* among a hundred busy engines it would take seconds to end the first */
	bool hurries = cpu_hurry();
	int ret = 0;

	kill_engines(state, names, plugs, &ret, err);
	cpu_unhurry(hurries);
	if (!ret && !keep)
		make_room(state, names);
	free_ports(state, plugs, net_ports_detach, &ret, err);
	return ret;
}

/*
 * The state is locked: who judges by leases what is left of the dead has read the
 * links before, and must not take the next owner's for those.
 */
static int remove_vms(const struct vf_state *state, const json_t *names,
		      struct plugs *plugs, struct vf_err *err)
{
	struct vf_err why;
	json_t *name;
	int ret = 0;
	size_t i;

	free_ports(state, plugs, net_ports_release, &ret, err);
	/* what could not be ended or freed stays on record, for the next try */
	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) {
		int removed =
			vf_remove_tree(state->vms_fd, json_string_value(name));

		if (removed == 0)
			continue;
		vf_err_errno(&why, removed, "VM %s", json_string_value(name));
		vf_err_first(err, &ret, &why);
	}
	return ret;
}

/* Cut short from here on, it is gc's to take them away. */
static void forget(const struct vf_state *state, const json_t *names)
{
	reap_drop(state, names, VM_KEPT_FILE);
}

int reap_end(const struct vf_state *state, const json_t *names,
	     struct vf_err *err)
{
	__cleanup(plugs_exit) struct plugs plugs;
	int ret = plugs_init(&plugs, state, names, err);

	return ret < 0 ? ret : end_vms(state, names, &plugs, true, err);
}

/* Nobody else does anything until they are gone. */
static int reap_vms_locked(const struct vf_state *state, const json_t *names,
			   struct vf_err *err)
{
	__cleanup(plugs_exit) struct plugs plugs;
	int ret = plugs_init(&plugs, state, names, err);

	forget(state, names);
	if (!ret)
		ret = end_vms(state, names, &plugs, false, err);
	return ret < 0 ? ret : remove_vms(state, names, &plugs, err);
}

int reap_vms_unlock(const struct vf_state *state, const json_t *names,
		    int lock_fd, struct vf_err *err)
{
	__cleanup(plugs_exit) struct plugs plugs = { 0 };
	__json json_t *picked = NULL;
	__close int fd = lock_fd;
	int ret = reap_pick(state, names, &picked, err);

	if (ret < 0 || !json_array_size(picked))
		return ret;
	/* without room for marks nobody would know: the lock tells them */
	if (reap_mark(state, picked) < 0)
		return reap_vms_locked(state, picked, err);
	forget(state, picked);
	close(vf_steal_fd(&fd));
	ret = plugs_init(&plugs, state, picked, err);
	if (!ret)
		ret = end_vms(state, picked, &plugs, false, err);
	if (!ret) {
		fd = state_lock(state, err);
		ret = fd < 0 ? fd : remove_vms(state, picked, &plugs, err);
	}
	if (ret < 0)
		reap_unmark(state, picked);
	return ret;
}

/* The state is locked: another command may have kept one, or started it again. */
static void spare_kept(const struct vf_state *state, json_t *names)
{
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		__close int fd = vm_run_open(state, json_string_value(name));

		if (fd >= 0 && faccessat(fd, VM_KEPT_FILE, F_OK, 0) == 0)
			json_array_remove(names, i--);
	}
}

/* @spared: the same names, to go without those that are kept; or NULL */
static int reap_meant(const struct vf_state *state, const json_t *names,
		      json_t *spared, int cancel_fd, struct vf_err *err)
{
	__free struct reap_id *ids = reap_ids_new(state, names);
	__json json_t *same = NULL;
	int lock_fd;

	if (!ids)
		return vf_err_errno(err, ENOMEM, "VMs");
	lock_fd = reap_lock(state, names, cancel_fd, err);
	if (lock_fd < 0)
		return lock_fd;
	same = reap_same(state, names, ids);
	if (spared) {
		spare_kept(state, same);
		spare_kept(state, spared);
	}
	return reap_vms_unlock(state, same, lock_fd, err);
}

int reap_vms(const struct vf_state *state, const json_t *names, int cancel_fd,
	     struct vf_err *err)
{
	return reap_meant(state, names, NULL, cancel_fd, err);
}

int reap_unkept(const struct vf_state *state, json_t *names, int cancel_fd,
		struct vf_err *err)
{
	return reap_meant(state, names, names, cancel_fd, err);
}

int reap_vm(const struct vf_state *state, const char *name, struct vf_err *err)
{
	__json json_t *names = json_pack("[s]", name);

	return reap_vms(state, names, -1, err);
}

int reap_dead(const struct vf_state *state, const char *name, int cancel_fd,
	      struct vf_err *err)
{
	__json json_t *names = json_pack("[s]", name);
	enum vm_state vm_state = vm_get_state(state, name);
	__close int lock_fd = -1;

	if (vm_state != VM_STATE_DEAD && vm_state != VM_STATE_ENDING)
		return 0;
	lock_fd = reap_lock(state, names, cancel_fd, err);
	if (lock_fd < 0)
		return lock_fd;
	/* it still has to be, now that nobody else can do so */
	if (vm_get_state(state, name) != VM_STATE_DEAD)
		return 0;
	return reap_vms_unlock(state, names, vf_steal_fd(&lock_fd), err);
}

int reap_create(struct vm *vm, const struct vf_state *state, const char *name,
		int cancel_fd, struct vf_err *err)
{
	int ret = vm_create(vm, state, name, err);

	if (ret != -EEXIST)
		return ret;
	ret = reap_dead(state, name, cancel_fd, err);
	return ret < 0 ? ret : vm_create(vm, state, name, err);
}
