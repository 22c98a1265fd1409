// SPDX-License-Identifier: MIT
/*
 * A fork, stage by stage. What is cheap and shared is done once for all forks
 * (names, identities, TAPs, one transaction for the bridge and the filter); what
 * takes time is done by a thread per fork: start the engine, load the state,
 * post the mail, resume. The main thread attaches the ports meanwhile and then
 * sits at the desk where the acknowledgements arrive. There is one undo,
 * reap.c's, which works from whatever stage was reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "core/fork.h"
#include "core/reap.h"

#define READY_MS  30000 /* for an engine's control interface */
#define LOAD_MS	  30000
#define SETTLE_MS 2000 /* after the last acknowledgement */
#define SLICE_MS  200

/* What the ports are waiting for, and how it went. */
enum attach_state { ATTACH_PENDING, ATTACH_DONE, ATTACH_FAILED };

/* One fork while it is made. */
struct worker {
	struct batch *batch;
	struct fork_job *job;
	pthread_t thread;
	bool has_thread;
	int tap_fd;
	struct vmm vmm;
	atomic_bool over; /* the thread has ended */
};

/* All forks of one command. */
struct batch {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	const struct fork_request *request;
	struct fork_result *result;
	struct worker *workers;
	struct ack_case *cases; /* in the order of the jobs */
	struct net *net;
	struct ack_desk desk;
	int kernel_fd;
	int initrd_fd;
	int wake_fd; /* eventfd: a worker has ended */

	pthread_mutex_t lock;
	pthread_cond_t attached_cond;
	enum attach_state attached;
};

static void reached(struct fork_job *job, enum timeline_stage stage)
{
	job->timeline.at_us[stage] = vf_now_us();
}

/* Reserve one name, the next free one if the user did not choose a prefix. */
static int name_job(struct batch *b, struct fork_job *job, unsigned int *number,
		    struct vf_err *err)
{
	const char *prefix = b->request->prefix;
	char name[2 * VF_NAME_MAX];
	int ret;

	for (;;) {
		snprintf(name, sizeof(name), "%s-%u",
			 prefix ? prefix : b->snapshot->name, ++*number);
		ret = reap_create(&job->vm, b->state, name, err);
		if (ret != -EEXIST || prefix)
			return ret;
	}
}

static int name_jobs(struct batch *b, struct vf_err *err)
{
	unsigned int number = 0;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];
		int ret = name_job(b, job, &number, err);

		if (ret < 0)
			return ret;
		job->vm.hardware = b->snapshot->hardware;
		snprintf(job->vm.snapshot, sizeof(job->vm.snapshot), "%s",
			 b->snapshot->name);
		job->vm.mailbox_gpa = b->snapshot->mailbox_gpa;
	}
	return 0;
}

static int lease_jobs(struct batch *b, struct vf_err *err)
{
	unsigned int num = b->result->num;
	__free struct net_port *ports = calloc(num, sizeof(*ports));
	int ret;

	if (!ports)
		return vf_err_errno(err, ENOMEM, "fork");
	for (unsigned int i = 0; i < num; i++)
		snprintf(ports[i].owner, sizeof(ports[i].owner), "%s",
			 b->result->jobs[i].vm.name);
	ret = net_ports_lease(b->net, ports, num, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		job->vm.port = ports[i];
		snprintf(job->vm.net_name, sizeof(job->vm.net_name), "%s",
			 b->snapshot->net_name);
		reached(job, TIMELINE_IDENTITY);
	}
	return 0;
}

/* Write the mail at boot: what a fork that reboots comes back with. */
static int write_boot_mail(struct batch *b, struct fork_job *job,
			   struct vf_err *err)
{
	const struct net_conf *conf = net_get_conf(b->net);
	struct letter letter;
	struct vmfork_mail mail;
	int ret;

	/* nobody waits any more when it reboots */
	ret = letter_init(&letter, conf, &job->vm.port, job->vm.port.mac, 0,
			  err);
	if (!ret)
		ret = letter_seal(&letter, 0, &mail, err);
	if (!ret)
		ret = vf_write_file(job->vm.run_fd, VM_MAIL_FILE, &mail,
				    sizeof(mail), false, err);
	return ret;
}

static int place_boot_files(struct batch *b, struct fork_job *job,
			    struct vf_err *err)
{
	int ret = vm_place_file(b->snapshot->dir_fd, job->vm.run_fd,
				VM_KERNEL_FILE, err);

	if (!ret && b->snapshot->hardware.has_initrd)
		ret = vm_place_file(b->snapshot->dir_fd, job->vm.run_fd,
				    VM_INITRD_FILE, err);
	return ret;
}

/* Everything about a fork that is not its engine. */
static int prepare_job(struct batch *b, struct worker *w, struct vf_err *err)
{
	const struct net_conf *conf = net_get_conf(b->net);
	struct fork_job *job = w->job;
	int ret;

	w->tap_fd = net_port_open(&job->vm.port, err);
	if (w->tap_fd < 0)
		return w->tap_fd;
	reached(job, TIMELINE_TAP);
	ret = letter_init(&job->letter, conf, &job->vm.port, b->snapshot->mac,
			  b->desk.port, err);
	if (!ret)
		ret = place_boot_files(b, job, err);
	if (!ret)
		ret = write_boot_mail(b, job, err);
	if (!ret)
		ret = vm_save(&job->vm, err);
	if (ret < 0)
		return ret;
	b->cases[job - b->result->jobs] = (struct ack_case){
		.letter = &job->letter,
		.from = job->vm.port.addr4,
		.timeline = &job->timeline,
		.waiting = true,
	};
	return 0;
}

static int wait_attached(struct batch *b, struct vf_err *err)
{
	enum attach_state attached;

	pthread_mutex_lock(&b->lock);
	while (b->attached == ATTACH_PENDING)
		pthread_cond_wait(&b->attached_cond, &b->lock);
	attached = b->attached;
	pthread_mutex_unlock(&b->lock);
	if (attached == ATTACH_DONE)
		return 0;
	return vf_err_set(err, ECANCELED, "its port could not be attached");
}

static void set_attached(struct batch *b, enum attach_state attached)
{
	pthread_mutex_lock(&b->lock);
	b->attached = attached;
	pthread_cond_broadcast(&b->attached_cond);
	pthread_mutex_unlock(&b->lock);
}

static int spawn_engine(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	__close int mail_fd =
		openat(job->vm.run_fd, VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);
	struct vmm_spec spec = {
		.name = job->vm.name,
		.config = &job->vm.hardware.config,
		.append = job->vm.hardware.append,
		.kernel_fd = b->kernel_fd,
		.initrd_fd = b->initrd_fd,
		.mail_fd = mail_fd,
		.num_nics = 1,
		.nics[0].tap_fd = w->tap_fd,
		.image_fd = b->snapshot->dir_fd,
		.image = &b->snapshot->image,
	};
	int ret;

	memcpy(spec.nics[0].mac, job->vm.port.mac, 6);
	w->vmm = (struct vmm){
		.ops = job->vm.hardware.engine,
		.proc.pidfd = -1,
		.run_fd = job->vm.run_fd,
		.cancel_fd = b->request->cancel_fd,
	};
	ret = w->vmm.ops->spawn(&w->vmm, &spec, err);
	/* from here on the TAP lives and dies with the engine */
	close(vf_steal_fd(&w->tap_fd));
	if (ret < 0)
		return ret;
	job->pid = w->vmm.proc.pid;
	reached(job, TIMELINE_SPAWNED);
	return 0;
}

/* The part of a fork that has a thread of its own. */
static int run_job(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	struct vmm *vmm = &w->vmm;
	int ret = spawn_engine(w, err);

	if (!ret)
		ret = vmm->ops->connect(vmm, vf_now_us() + READY_MS * 1000,
					err);
	if (ret < 0)
		return ret;
	reached(job, TIMELINE_READY);
	ret = vmm->ops->load(vmm, b->snapshot->dir_fd,
			     vf_now_us() + LOAD_MS * 1000, err);
	if (ret < 0)
		return ret;
	reached(job, TIMELINE_LOADED);
	if (b->request->post) {
		ret = mailbox_post(vmm, b->snapshot->mailbox_gpa, &job->letter,
				   err);
		if (ret < 0)
			return ret;
		reached(job, TIMELINE_PATCHED);
	}
	/* a fork must not speak before its port knows what it may say */
	ret = wait_attached(b, err);
	if (ret < 0)
		return ret;
	return vmm->ops->resume(vmm, &job->timeline.at_us[TIMELINE_RESUMED],
				err);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t one = 1;

	w->job->outcome = run_job(w, &w->job->err) < 0 ? FORK_FAILED
						       : FORK_RUNNING;
	atomic_store(&w->over, true);
	(void)!write(w->batch->wake_fd, &one, sizeof(one));
	return NULL;
}

static void start_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];
		int ret;

		if (w->job->err.num)
			continue;
		ret = pthread_create(&w->thread, NULL, worker_main, w);
		w->has_thread = ret == 0;
		if (ret)
			vf_err_errno(&w->job->err, ret, "thread");
	}
}

/* Put all ports on the bridge, while the engines start. */
static void attach_ports(struct batch *b)
{
	unsigned int num = 0, max = b->result->num;
	__free struct net_port *ports = calloc(max, sizeof(*ports));
	struct vf_err err;

	for (unsigned int i = 0; ports && i < max; i++)
		if (b->workers[i].has_thread)
			ports[num++] = b->result->jobs[i].vm.port;
	if (!ports || net_ports_attach(b->net, ports, num, &err) < 0) {
		vf_log(VF_LOG_ERROR, "%s", ports ? err.msg : "no memory");
		set_attached(b, ATTACH_FAILED);
		return;
	}
	set_attached(b, ATTACH_DONE);
}

/* Is there anything left to wait for? */
static bool is_done(struct batch *b, bool settled_too)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];
		struct ack_case *c = &b->cases[i];

		if (!w->has_thread)
			continue;
		if (!atomic_load(&w->over))
			return false;
		if (w->job->outcome == FORK_FAILED || c->failed ||
		    !b->request->wait)
			continue;
		if (!c->acked || (settled_too && !c->settled))
			return false;
	}
	return true;
}

/* Sit at the desk until all is said, or the time is over. */
static int serve_acks(struct batch *b)
{
	int64_t deadline_us =
		vf_now_us() + (int64_t)b->request->timeout_ms * 1000;
	int64_t settle_us = 0;

	while (!is_done(b, true)) {
		int64_t now_us = vf_now_us();
		uint64_t count;
		int ret;

		if (is_done(b, false) && !settle_us)
			settle_us = now_us + SETTLE_MS * 1000;
		if (now_us > deadline_us || (settle_us && now_us > settle_us))
			break;
		/* what can be readable here: acks, ended workers, the user */
		if (b->request->cancel_fd >= 0 &&
		    vf_wait_readable(b->request->cancel_fd, -1, 0) == 0)
			return -ECANCELED;
		ret = ack_desk_serve(&b->desk, b->cases, b->result->num,
				     b->wake_fd, now_us + SLICE_MS * 1000);
		if (ret == -ECANCELED)
			(void)!read(b->wake_fd, &count, sizeof(count));
		else if (ret < 0 && ret != -ETIMEDOUT)
			return ret;
	}
	if (b->desk.dropped)
		vf_log(VF_LOG_WARN,
		       "%llu acknowledgements were dropped and came again",
		       (unsigned long long)b->desk.dropped);
	return 0;
}

static void join_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].has_thread)
			pthread_join(b->workers[i].thread, NULL);
}

/* The network failed us; the status words in the fork's memory did not. */
static void read_status(struct worker *w)
{
	struct fork_job *job = w->job;
	struct vmfork_status status;
	struct vf_err err;

	w->vmm.cancel_fd = -1;
	if (mailbox_status(&w->vmm, job->vm.mailbox_gpa, &status, &err) < 0) {
		job->err = err;
		vf_err_wrap(&job->err, "not acknowledged");
		return;
	}
	if (!vmfork_id_equal(status.restore_id, job->letter.restore_id)) {
		vf_err_set(&job->err, ETIMEDOUT,
			   "not acknowledged: it did not find its mail");
		return;
	}
	job->signal = status.signal;
	job->reached = status.stage;
	if (status.error)
		vf_err_errno(&job->err, (int)(status.error & 0xfff),
			     "not acknowledged: %s",
			     timeline_step_name(status.step));
	else
		vf_err_set(&job->err, ETIMEDOUT,
			   "not acknowledged in time, but its network is "
			   "configured");
}

static void conclude_job(struct batch *b, struct worker *w)
{
	struct fork_job *job = w->job;
	struct ack_case *c = &b->cases[job - b->result->jobs];
	struct vf_err ignored;

	if (!b->request->wait)
		return;
	if (c->acked || c->failed) {
		job->signal = c->ack.signal;
		job->reached = c->ack.stage;
		job->vm.mailbox_gpa = c->ack.gpa;
		job->clock_error_us = timeline_finish(&job->timeline);
	}
	if (c->acked) {
		job->outcome = FORK_ACKED;
		vm_save(&job->vm, &ignored);
		return;
	}
	job->outcome = FORK_UNACKED;
	if (c->failed)
		vf_err_errno(&job->err, (int)(c->ack.error & 0xfff), "%s",
			     timeline_step_name(c->ack.step));
	else
		read_status(w);
}

/* Did the bridge see each fork's own MAC and address on its port? */
static void verify_ports(struct batch *b)
{
	unsigned int num = b->result->num;
	__free struct net_port *ports = calloc(num, sizeof(*ports));
	struct vf_err err;

	if (!ports)
		return;
	for (unsigned int i = 0; i < num; i++)
		ports[i] = b->result->jobs[i].vm.port;
	if (net_ports_verify(b->net, ports, num, &err) < 0) {
		vf_log(VF_LOG_WARN, "%s", err.msg);
		return;
	}
	for (unsigned int i = 0; i < num; i++)
		b->result->jobs[i].vm.port.verified = ports[i].verified;
}

static void read_faults(struct fork_job *job)
{
	__free char *stat = NULL;
	char path[32];
	struct vf_err err;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", job->pid);
	if (vf_read_file(AT_FDCWD, path, 1024, &stat, NULL, &err) < 0)
		return;
	/* after the command's name: minflt is field 10, majflt 12: proc(5) */
	p = strrchr(stat, ')');
	if (p)
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu",
		       &job->faults_minor, &job->faults_major);
}

static void keep_record(struct batch *b, struct fork_job *job)
{
	__json json_t *record = fork_job_describe(job, b->result->start_us);
	struct vf_err err;

	if (vf_json_save(job->vm.run_fd, VM_TIMELINE_FILE, record, false,
			 &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: record: %s", job->vm.name, err.msg);
}

/* Take away the forks that do not run; all of them if the user gave up. */
static void undo_jobs(struct batch *b, bool all)
{
	__json json_t *names = json_array();
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		/* a name that we could not reserve belongs to somebody else */
		if (job->vm.run_fd >= 0 && (all || job->outcome == FORK_FAILED))
			json_array_append_new(names, json_string(job->vm.name));
	}
	if (json_array_size(names) && reap_vms(b->state, names, 0, &err) < 0)
		vf_log(VF_LOG_WARN, "undoing: %s", err.msg);
}

static void finish_jobs(struct batch *b)
{
	verify_ports(b);
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		if (job->outcome == FORK_FAILED)
			continue;
		read_faults(job);
		keep_record(b, job);
		vm_created(&job->vm);
	}
	undo_jobs(b, false);
}

static void release_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		if (w->tap_fd >= 0)
			close(w->tap_fd);
		if (w->vmm.ops)
			vm_detach(&w->vmm);
	}
}

/* Engines, acknowledgements, conclusions. Everything is prepared. */
static int run_batch(struct batch *b, struct vf_err *err)
{
	int ret;

	start_workers(b);
	attach_ports(b);
	ret = serve_acks(b);
	join_workers(b);
	if (ret < 0)
		return vf_err_set(err, ret,
				  ret == -ECANCELED ? "interrupted"
						    : "acknowledgements");
	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].job->outcome == FORK_RUNNING)
			conclude_job(b, &b->workers[i]);
	return 0;
}

static int prepare_batch(struct batch *b, struct vf_err *err)
{
	const struct snapshot *s = b->snapshot;
	int ret;

	b->kernel_fd = openat(s->dir_fd, VM_KERNEL_FILE, O_RDONLY | O_CLOEXEC);
	b->initrd_fd = openat(s->dir_fd, VM_INITRD_FILE, O_RDONLY | O_CLOEXEC);
	b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->kernel_fd < 0 || b->wake_fd < 0)
		return vf_err_errno(err, errno, "fork");
	ret = net_open(&b->net, b->state->net_fd, s->net_name, err);
	if (!ret)
		ret = ack_desk_open(&b->desk, net_get_conf(b->net)->addr4,
				    b->result->num, err);
	if (!ret)
		ret = name_jobs(b, err);
	if (!ret)
		ret = lease_jobs(b, err);
	for (unsigned int i = 0; !ret && i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		/* a failure here is this fork's own */
		if (prepare_job(b, w, &w->job->err) < 0)
			w->job->outcome = FORK_FAILED;
	}
	return ret;
}

static int alloc_batch(struct batch *b, unsigned int num, struct vf_err *err)
{
	b->result->jobs = calloc(num, sizeof(*b->result->jobs));
	b->workers = calloc(num, sizeof(*b->workers));
	b->cases = calloc(num, sizeof(*b->cases));
	if (!b->result->jobs || !b->workers || !b->cases)
		return vf_err_errno(err, ENOMEM, "fork");
	b->result->num = num;
	for (unsigned int i = 0; i < num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		job->vm.run_fd = -1;
		timeline_init(&job->timeline);
		b->workers[i] = (struct worker){
			.batch = b,
			.job = job,
			.tap_fd = -1,
		};
		/* cases that are never prepared must still name a letter */
		b->cases[i].letter = &job->letter;
	}
	return 0;
}

int fork_snapshot(struct fork_result *result, const struct vf_state *state,
		  const struct snapshot *snapshot,
		  const struct fork_request *request, struct vf_err *err)
{
	struct batch b = {
		.state = state,
		.snapshot = snapshot,
		.request = request,
		.result = result,
		.desk.fd = -1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.wake_fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.attached_cond = PTHREAD_COND_INITIALIZER,
	};
	int ret;

	*result = (struct fork_result){ .start_us = vf_now_us() };
	ret = alloc_batch(&b, request->num, err);
	if (!ret)
		ret = prepare_batch(&b, err);
	if (!ret)
		ret = run_batch(&b, err);
	/* a TAP of which we hold a descriptor would outlive its engine */
	release_workers(&b);
	if (ret < 0)
		undo_jobs(&b, true);
	else
		finish_jobs(&b);
	result->wall_us = vf_now_us() - result->start_us;
	ack_desk_close(&b.desk);
	net_close(b.net);
	vf_close_fd(&b.kernel_fd);
	vf_close_fd(&b.initrd_fd);
	vf_close_fd(&b.wake_fd);
	free(b.workers);
	free(b.cases);
	return ret;
}

void fork_result_exit(struct fork_result *result)
{
	for (unsigned int i = 0; i < result->num; i++)
		vm_close(&result->jobs[i].vm);
	free(result->jobs);
	result->jobs = NULL;
	result->num = 0;
}
