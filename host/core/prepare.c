// SPDX-License-Identifier: MIT
/* What a fork has before it has an engine. batch.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/batch.h"
#include "core/reap.h"

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
		if (prefix)
			return reap_create(&job->vm, b->state, name, err);
		ret = vm_create(&job->vm, b->state, name, err);
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

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];
		int ret = name_job(b, job, &number, err);

		if (ret < 0)
			return ret;
		job->vm.hardware = b->snapshot->hardware;
		snprintf(job->vm.snapshot, sizeof(job->vm.snapshot), "%s",
			 b->snapshot->name);
		memcpy(job->vm.snapshot_id, b->snapshot->id,
		       sizeof(job->vm.snapshot_id));
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
		memcpy(job->vm.guest_mac,
		       b->request->post ? ports[i].mac : b->snapshot->mac,
		       sizeof(job->vm.guest_mac));
		snprintf(job->vm.net_name, sizeof(job->vm.net_name), "%s",
			 b->snapshot->net_name);
		batch_reached(job, TIMELINE_IDENTITY);
	}
	return 0;
}

/* Write the mail at boot: what a fork that reboots comes back with. */
static int write_boot_mail(struct batch *b, struct fork_job *job,
			   struct vf_err *err)
{
	const struct net_conf *conf = net_get_conf(b->net);
	struct letter letter;
	int ret;

	/* nobody waits any more when it reboots */
	ret = letter_init(&letter, conf, &job->vm.port, job->vm.port.mac, 0,
			  err);
	if (!ret)
		ret = vm_write_mail(&job->vm, &letter, err);
	return ret;
}

/* Its identity is on record before anything is made of it: undoing reads that. */
static int record_job(struct batch *b, struct fork_job *job, struct vf_err *err)
{
	struct vf_err ignored;
	int ret = vm_save(&job->vm, err);

	if (ret < 0)
		net_ports_release(b->net, &job->vm.port, 1, &ignored);
	return ret;
}

/* Everything about a fork that is not its engine. */
static int prepare_job(struct batch *b, struct worker *w, struct vf_err *err)
{
	const struct net_conf *conf = net_get_conf(b->net);
	struct fork_job *job = w->job;
	char tap[IFNAMSIZ];
	int ret = record_job(b, job, err);

	if (ret < 0)
		return ret;
	memcpy(tap, job->vm.port.tap, sizeof(tap));
	w->tap_fd = net_port_open(&job->vm.port, err);
	if (w->tap_fd < 0)
		return w->tap_fd;
	batch_reached(job, TIMELINE_TAP);
	/* the name on record was taken by a link of somebody else's */
	if (strcmp(tap, job->vm.port.tap) != 0)
		ret = vm_save(&job->vm, err);
	if (ret < 0)
		return ret;
	ret = letter_init(&job->letter, conf, &job->vm.port, b->snapshot->mac,
			  b->desk.port, err);
	if (!ret)
		ret = vm_place_boot_files(&job->vm.hardware,
					  b->snapshot->dir_fd, job->vm.run_fd,
					  err);
	if (!ret)
		ret = write_boot_mail(b, job, err);
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

int batch_prepare(struct batch *b, struct vf_err *err)
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
