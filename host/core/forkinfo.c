// SPDX-License-Identifier: MIT
/* A fork as its user sees it. fork.h holds the contract. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "core/fork.h"
#include "names.h"

/* The last stage that a fork reached, as far as the host knows. */
static const char *stage_reached(const struct fork_job *job)
{
	static const enum timeline_stage guests[] = {
		[VMFORK_STAGE_SIGNAL] = TIMELINE_SIGNAL,
		[VMFORK_STAGE_MAIL] = TIMELINE_MAIL,
		[VMFORK_STAGE_APPLIED] = TIMELINE_APPLIED,
		[VMFORK_STAGE_ACKED] = TIMELINE_ACKED,
		[VMFORK_STAGE_SETTLED] = TIMELINE_SETTLED,
	};

	for (int i = TIMELINE_CHAIN_NUM - 1; i >= TIMELINE_ACKED; i--)
		if (job->timeline.at_us[i])
			return timeline_stage_name((enum timeline_stage)i);
	if (job->reached > VMFORK_STAGE_NONE && job->reached < VMFORK_STAGE_NUM)
		return timeline_stage_name(guests[job->reached]);
	for (int i = TIMELINE_CHAIN_NUM - 1; i > TIMELINE_REQUEST; i--)
		if (job->timeline.at_us[i])
			return timeline_stage_name((enum timeline_stage)i);
	return NULL;
}

static json_t *error_pack(const struct vf_err *err)
{
	char msg[VF_ERR_MSG_SIZE];

	if (!err->num)
		return json_null();
	memcpy(msg, err->msg, sizeof(msg));
	return json_string(vf_ascii(msg));
}

/* What is told in a mail that the fork got. */
static json_t *hostname_pack(const struct identity_guest *guest)
{
	return *guest->hostname ? json_string(guest->hostname) : json_null();
}

static json_t *machine_id_pack(const struct identity_guest *guest)
{
	char id[2 * VMFORK_ID_LEN + 1];

	if (!guest->has_machine_id)
		return json_null();
	vf_hex(id, guest->machine_id, VMFORK_ID_LEN);
	return json_string(id);
}

/* When the host had each stage's own datagram; null if it asked for none. */
static json_t *stages_pack(const struct fork_job *job, int64_t start_us)
{
	json_t *json;

	if (!job->letter.identity.guest.tells_stages)
		return json_null();
	json = json_object();
	for (uint32_t i = VMFORK_STAGE_SIGNAL; i < VMFORK_STAGE_NUM; i++)
		json_object_set_new(
			json, vmfork_stage_name(i),
			job->stage_us[i]
				? json_integer(job->stage_us[i] - start_us)
				: json_null());
	return json;
}

json_t *fork_job_describe(const struct fork_job *job, int64_t start_us)
{
	bool runs = job->outcome != FORK_FAILED;
	const struct identity_guest *guest = &job->letter.identity.guest;
	char id[2 * VMFORK_ID_LEN + 1];
	const char *signal = job->signal ? vmfork_signal_name(job->signal)
					 : NULL;
	json_t *json;

	vf_hex(id, job->letter.restore_id, VMFORK_ID_LEN);
	json = nics_describe(job->vm.nics, job->vm.num_nics);
	json_object_set_new(json, "from_pool", json_boolean(job->from_pool));
	json_object_set_new(json, "stages_us", stages_pack(job, start_us));
	json_object_set_new(json, "prefetch", prefetch_pack(&job->prefetch));
	json_object_update_new(
		json,
		json_pack("{s:s,s:s,s:o,s:s,s:s?,s:s?,s:o,s:o,s:o,s:o,"
			  "s:o,s:o,s:o,s:o,s:o,"
			  "s:{s:I,s:I}}",
			  "name", job->vm.name, "state",
			  runs ? "running" : "failed", "pid",
			  runs ? json_integer(job->pid) : json_null(),
			  "restore_id", id, "signal", signal, "reached",
			  stage_reached(job), "verified",
			  runs ? nics_verified_pack(job->vm.nics,
						    job->vm.num_nics)
			       : json_false(),
			  "error", error_pack(&job->err), "timeline_us",
			  timeline_pack(&job->timeline, start_us), "began_us",
			  timeline_pack_from(&job->timeline, start_us),
			  "clock_error_us",
			  job->timeline.has_guest
				  ? json_integer(job->clock_error_us)
				  : json_null(),
			  "hostname", hostname_pack(guest), "machine_id",
			  machine_id_pack(guest), "settle",
			  settle_pack(&job->settle), "cpu_acked_us",
			  job->cpu_acked_us ? json_integer(job->cpu_acked_us)
					    : json_null(),
			  "faults", "major", (json_int_t)job->faults_major,
			  "minor", (json_int_t)job->faults_minor));
	return json;
}
