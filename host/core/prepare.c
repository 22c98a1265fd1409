// SPDX-License-Identifier: MIT
/* What a fork has before it has an engine. batch.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/cpu.h"
#include "base/files.h"
#include "base/json.h"
#include "core/batch.h"
#include "core/reap.h"

/* What a burst has open, but for its forks: layers, networks, undoing. */
#define FILES_SHARED 100
/* What a thread has open while it starts an engine: logs, sockets, a pipe. */
#define FILES_STARTING 12

/*
 * The highest number that a fork of this prefix has: from there on names are
 * likely to be free. It saves a look at each of those that exist.
 */
static unsigned int last_number(const struct vf_state *state,
				const char *prefix)
{
	__json json_t *names = NULL;
	size_t len = strlen(prefix), i;
	unsigned int last = 0, number;
	struct vf_err ignored;
	json_t *name;
	char end;

	if (vm_list(state, &names, &ignored) < 0)
		return 0;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);

		if (!strncmp(text, prefix, len) && text[len] == '-' &&
		    sscanf(text + len + 1, "%9u%c", &number, &end) == 1 &&
		    number > last)
			last = number;
	}
	return last;
}

static int make_vm(struct batch *b, struct worker *w, const char *name,
		   struct vf_err *err)
{
	struct vm *vm = &w->job->vm;
	struct vm *entry;
	int ret;

	if (!b->num_entries)
		return vm_create_locked(vm, b->state, name, err);
	entry = &b->entries[b->num_entries - 1];
	ret = ready_move(entry, b->state, name, err);
	if (ret < 0)
		return ret;
	*vm = *entry;
	b->num_entries--;
	w->job->from_pool = true;
	return 0;
}

/* As above, where a dead VM of that name may be in the way: not under the lock. */
static int replace_vm(struct batch *b, struct worker *w, const char *name,
		      int *lock_fd, struct vf_err *err)
{
	int ret = make_vm(b, w, name, err);

	if (ret != -EEXIST)
		return ret;
	close(vf_steal_fd(lock_fd));
	ret = reap_dead(b->state, name, b->request->cancel_fd, err);
	if (ret < 0)
		return ret;
	*lock_fd = state_lock(b->state, err);
	return *lock_fd < 0 ? *lock_fd : make_vm(b, w, name, err);
}

/* Reserve one name, the next free one if the user did not choose a prefix. */
static int name_job(struct batch *b, struct worker *w, unsigned int *number,
		    int *lock_fd, struct vf_err *err)
{
	const char *prefix = b->request->prefix;
	char name[2 * VF_NAME_MAX];
	int ret;

	if (b->request->ahead)
		return ready_create(&w->job->vm, b->state, err);
	for (;;) {
		snprintf(name, sizeof(name), "%s-%u",
			 prefix ? prefix : b->snapshot->name, ++*number);
		if (prefix)
			return replace_vm(b, w, name, lock_fd, err);
		ret = make_vm(b, w, name, err);
		/* another command may have taken it since */
		if (ret != -EEXIST)
			return ret;
	}
}

static int name_jobs(struct batch *b, struct vf_err *err)
{
	unsigned int number =
		b->request->prefix ? 0
				   : last_number(b->state, b->snapshot->name);
	__close int lock_fd = state_lock(b->state, err);

	if (lock_fd < 0)
		return lock_fd;
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];
		int ret = name_job(b, &b->workers[i], &number, &lock_fd, err);

		if (ret < 0)
			return ret;
		/* it is all that already */
		if (b->result->jobs[i].from_pool)
			continue;
		job->vm.hardware = b->snapshot->hardware;
		snprintf(job->vm.snapshot, sizeof(job->vm.snapshot), "%s",
			 b->snapshot->name);
		memcpy(job->vm.snapshot_id, b->snapshot->id,
		       sizeof(job->vm.snapshot_id));
		job->vm.mailbox_gpa = b->snapshot->mailbox_gpa;
		job->vm.disks = b->snapshot->disks;
		for (unsigned int k = 0; k < job->vm.disks.num; k++)
			job->vm.disks.disk[k].layers++;
	}
	return 0;
}

/* What each is told beside its network; a payload that is missing ends it all. */
static int tell_jobs(struct batch *b, struct vf_err *err)
{
	const struct fork_request *r = b->request;
	int64_t deadline_us = vf_now_us() + (int64_t)r->timeout_ms * 1000;
	unsigned int num = b->result->num;
	__free const char **names = calloc(num, sizeof(*names));
	int ret;

	if (!names)
		return vf_err_errno(err, ENOMEM, "fork");
	for (unsigned int i = 0; i < num; i++)
		names[i] = b->result->jobs[i].vm.name;
	ret = told_payloads_init(&b->result->payloads, &r->told, names, num,
				 r->cancel_fd, deadline_us, err);
	for (unsigned int i = 0; !ret && i < num; i++) {
		struct identity_guest *guest = &b->workers[i].guest;

		ret = told_guest(&r->told, guest, names[i], b->snapshot->name,
				 b->snapshot->guest_monotonic_ns, err);
		if (!ret)
			told_payloads_give(&b->result->payloads, i, guest);
	}
	return ret;
}

void batch_keep_macs(const struct batch *b, struct vm *vm)
{
	for (unsigned int k = 0; k < vm->num_nics; k++)
		memcpy(vm->nics[k].guest_mac, b->snapshot->nics[k].mac,
		       sizeof(vm->nics[k].guest_mac));
}

/* The networks of the snapshot, but for those that were named. */
static int open_nets(struct batch *b, struct vf_err *err)
{
	const struct snapshot *s = b->snapshot;
	struct nets *nets = &b->nets;

	nets->num = s->num_nics;
	memcpy(nets->link, b->request->links, sizeof(nets->link));
	for (unsigned int k = 0; k < s->num_nics; k++)
		if (!nets->link[k].net_name[0])
			memcpy(nets->link[k].net_name, s->nics[k].net_name,
			       sizeof(nets->link[k].net_name));
	return nets_open(nets, b->state, err);
}

/* Entries are what their fill asked for: engines of the same snapshot, leased. */
static int claim_entries(struct batch *b, struct vf_err *err)
{
	const struct vf_state pool = state_pool(b->state);
	const struct ready_wish wish = { b->snapshot, b->nets.link };
	int ret;

	if (b->request->ahead || b->request->cold)
		return 0;
	b->entries = calloc(b->result->num, sizeof(*b->entries));
	if (!b->entries)
		return vf_err_errno(err, ENOMEM, "fork");
	ret = ready_claim(&pool, &wish, b->entries, b->result->num, err);
	if (ret > 0)
		b->num_entries = (unsigned int)ret;
	return ret < 0 ? ret : 0;
}

/* What engines of the pool hold is loaded already. */
static int open_chain(struct batch *b, struct vf_err *err)
{
	const struct snapshot *s = b->snapshot;

	if (b->num_entries == b->result->num)
		return 0;
	return chain_open(&b->chain, b->state, s->name, s->id, err);
}

/* First of all that takes time: the more of it comes before they run. */
static int start_prefetch(struct batch *b, struct vf_err *err)
{
	return prefetch_start(&b->prefetch, b->state, b->snapshot, &b->chain,
			      &b->request->prefetch, err);
}

/* Those that have no interfaces yet get some, all or none. */
static int lease_vms(struct batch *b, struct vf_err *err)
{
	unsigned int num = 0;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < b->result->num; i++) {
		struct vm *vm = &b->result->jobs[i].vm;

		if (b->result->jobs[i].from_pool)
			ret = nets_adopt(&b->nets, vm, err);
		else
			b->vms[num++] = vm;
	}
	return ret < 0 || !num ? ret : nets_lease(&b->nets, b->vms, num, err);
}

static int lease_jobs(struct batch *b, struct vf_err *err)
{
	unsigned int num = b->result->num;
	int ret;

	for (unsigned int i = 0; i < num; i++) {
		struct vm *vm = &b->result->jobs[i].vm;

		for (unsigned int k = 0; k < b->nets.num; k++)
			vm->nics[k].mtu = b->snapshot->nics[k].mtu;
	}
	for (unsigned int i = 0; i < num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		job->timeline.from_us[TIMELINE_REQUEST] = b->result->start_us;
		batch_reached(job, TIMELINE_REQUEST);
	}
	ret = lease_vms(b, err);
	for (unsigned int i = 0; !ret && i < num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		if (!b->request->post)
			batch_keep_macs(b, &job->vm);
		batch_reached(job, TIMELINE_IDENTITY);
	}
	return ret;
}

int batch_boot_letter(struct batch *b, const struct worker *w,
		      struct letter *letter, struct vf_err *err)
{
	/* nobody waits any more when it reboots */
	int ret = nets_letter(letter, &b->nets, &w->job->vm, NULL, 0, err);

	letter->identity.guest = w->guest;
	told_at_boot(&letter->identity.guest);
	return ret;
}

static int write_boot_mail(struct batch *b, const struct worker *w,
			   struct vf_err *err)
{
	struct letter letter;
	int ret;

	if (b->request->ahead)
		return ready_write_mail(&w->job->vm, err);
	ret = batch_boot_letter(b, w, &letter, err);
	return ret < 0 ? ret : vm_write_mail(&w->job->vm, &letter, err);
}

/* Its identity is on record before anything is made of it: undoing reads that. */
static int record_job(struct batch *b, struct fork_job *job, struct vf_err *err)
{
	struct vm *vm = &job->vm;
	int ret = vm_save(vm, err);

	if (ret < 0)
		nets_release(&b->nets, &vm, 1);
	return ret;
}

static int write_letter(struct batch *b, struct worker *w, struct vf_err *err)
{
	struct fork_job *job = w->job;
	uint8_t old_macs[VM_NICS_MAX][6];
	/* who waits for nothing does not answer either */
	uint16_t port = b->request->wait == FORK_WAIT_NONE ? 0 : b->desk.port;
	int ret;

	for (unsigned int k = 0; k < b->snapshot->num_nics; k++)
		memcpy(old_macs[k], b->snapshot->nics[k].mac, 6);
	ret = nets_letter(&job->letter, &b->nets, &job->vm, old_macs, port,
			  err);
	if (b->request->post)
		job->letter.identity.guest = w->guest;
	return ret < 0 ? ret : letter_check(&job->letter, err);
}

/*
 * Records first, for undoing reads them. A letter that no guest would take is the
 * user's error, and that of all of them.
 */
static int write_letters(struct batch *b, struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		/* a failure here is this fork's own; an entry has a record */
		if (!b->result->jobs[i].from_pool &&
		    record_job(b, job, &job->err) < 0)
			job->outcome = FORK_FAILED;
	}
	for (unsigned int i = 0; !ret && i < b->result->num; i++)
		ret = write_letter(b, &b->workers[i], err);
	return ret;
}

static int make_taps(struct worker *w, struct vf_err *err)
{
	struct vm *vm = &w->job->vm;
	const struct vm leased = *vm;
	int ret;

	batch_began(w->job, TIMELINE_TAP);
	ret = vm_open_taps(vm, w->tap_fds, err);
	if (ret < 0)
		return ret;
	batch_reached(w->job, TIMELINE_TAP);
	/* a name on record may have been taken by a link of somebody else's */
	for (unsigned int k = 0; k < vm->num_nics; k++)
		if (strcmp(leased.nics[k].port.tap, vm->nics[k].port.tap) != 0)
			return vm_save(vm, err);
	return 0;
}

static int make_files(struct batch *b, struct worker *w, struct vf_err *err)
{
	struct fork_job *job = w->job;
	int ret = make_taps(w, err);

	if (!ret)
		ret = vm_place_boot_files(&job->vm.hardware,
					  b->snapshot->dir_fd, job->vm.run_fd,
					  false, err);
	if (!ret)
		ret = disk_fork(&job->vm, b->snapshot->dir_fd, err);
	if (!ret)
		ret = write_boot_mail(b, w, err);
	return ret;
}

/* Everything about a fork that is not its engine. */
static int prepare_job(struct batch *b, struct worker *w, struct vf_err *err)
{
	struct fork_job *job = w->job;
	int ret = w->job->from_pool ? 0 : make_files(b, w, err);

	if (ret < 0)
		return ret;
	b->cases[job - b->result->jobs] = (struct ack_case){
		.letter = &job->letter,
		.from = &job->vm.nics[0].port,
		.timeline = &job->timeline,
		.waiting = true,
	};
	return 0;
}

static int open_desk(struct batch *b, struct vf_err *err)
{
	return ack_desk_open(&b->desk, nets_gateway(&b->nets), b->result->num,
			     err);
}

/* A failure here is one fork's own: its siblings go on. */
static int prepare_jobs(struct batch *b, struct vf_err *err)
{
	(void)err;
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		if (!w->job->err.num && prepare_job(b, w, &w->job->err) < 0)
			w->job->outcome = FORK_FAILED;
		/* whoever needs it opens it: see files_needed() */
		vm_close(&w->job->vm);
	}
	return 0;
}

static unsigned int less(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* A TAP for each interface until its engine has them, then pidfd and socket. */
static unsigned int files_needed(const struct batch *b)
{
	unsigned int num = b->result->num, nics = b->snapshot->num_nics;
	unsigned int each = nics > 2 ? nics : 2;
	/* twice, for others may be stuck: wave.h */
	unsigned int hands = batch_goes_at_once(b) ? CREW_MAX
						   : 2 * (cpu_count() + 2);

	hands = less(less(hands, CREW_MAX), num);
	return num * each + hands * (FILES_STARTING + nics) + FILES_SHARED;
}

static int check_files(const struct batch *b, struct vf_err *err)
{
	unsigned int num = b->result->num, left = files_left();
	unsigned int needed = files_needed(b);

	if (needed <= left)
		return 0;
	vf_err_set(err, EMFILE, "%u forks need %u open files, %u are left", num,
		   needed, left);
	vf_err_hint(err, "fork fewer at a time, or raise 'ulimit -Hn'");
	return -EMFILE;
}

static int open_files(struct batch *b, struct vf_err *err)
{
	const struct snapshot *s = b->snapshot;

	if (check_files(b, err) < 0)
		return -err->num;
	b->kernel_fd = openat(s->dir_fd, VM_KERNEL_FILE, O_RDONLY | O_CLOEXEC);
	b->initrd_fd = openat(s->dir_fd, VM_INITRD_FILE, O_RDONLY | O_CLOEXEC);
	b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if ((b->kernel_fd < 0 && s->hardware.has_kernel) ||
	    (b->initrd_fd < 0 && s->hardware.has_initrd) || b->wake_fd < 0)
		return vf_err_errno(err, errno, "fork");
	return disk_check(&s->disks, s->dir_fd, err);
}

int batch_prepare(struct batch *b, struct vf_err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct batch *b, struct vf_err *err);
	} steps[] = {
		{ "files", open_files },      { "networks", open_nets },
		{ "desk", open_desk },	      { "pool", claim_entries },
		{ "chain", open_chain },      { "hot pages", start_prefetch },
		{ "names", name_jobs },	      { "payloads", tell_jobs },
		{ "identities", lease_jobs }, { "letters", write_letters },
		{ "taps", prepare_jobs },
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(steps); i++) {
		int64_t from_us = vf_now_us();

		ret = steps[i].run(b, err);
		trace_note(&b->result->trace, steps[i].name, from_us);
	}
	return ret;
}
