// SPDX-License-Identifier: MIT
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/timeline.h"
#include "names.h"

/* By so much clocks that run at their own pace may contradict each other. */
#define CONTRADICTION_US 10000

/* Those that are told by no status: the guest's others have its own names. */
static const char *const stage_names[] = {
	[TIMELINE_REQUEST] = "request", [TIMELINE_IDENTITY] = "identity",
	[TIMELINE_TAP] = "tap",		[TIMELINE_SPAWNED] = "spawned",
	[TIMELINE_READY] = "ready",	[TIMELINE_LOADED] = "loaded",
	[TIMELINE_QUEUED] = "queued",	[TIMELINE_PATCHED] = "patched",
	[TIMELINE_RESUMED] = "resumed", [TIMELINE_SENT] = "sent",
	[TIMELINE_BRIDGE] = "bridge",	[TIMELINE_NEIGHBOUR] = "neighbour",
	[TIMELINE_SHAPED] = "shaped",
};
static_assert(sizeof(stage_names) / sizeof(char *) == TIMELINE_NUM, "stages");

/* Which of the guest's stages stands behind which of ours. */
static const struct {
	enum timeline_stage ours;
	enum vmfork_stage guests;
} guest_stages[] = {
	{ TIMELINE_SIGNAL, VMFORK_STAGE_SIGNAL },
	{ TIMELINE_MAIL, VMFORK_STAGE_MAIL },
	{ TIMELINE_APPLIED, VMFORK_STAGE_APPLIED },
	/* whose ends are the host's to note, when it hears of them */
	{ TIMELINE_ACKED, VMFORK_STAGE_ACKED },
	{ TIMELINE_SETTLED, VMFORK_STAGE_SETTLED },
};
#define NUM_TIMED 3 /* of which the guest tells the moment */
static_assert(ARRAY_SIZE(guest_stages) ==
		      VMFORK_STAGE_NUM - VMFORK_STAGE_SIGNAL,
	      "the guest's stages");

void timeline_init(struct timeline *tl)
{
	*tl = (struct timeline){
		.offset_min_us = INT64_MIN,
		.offset_max_us = INT64_MAX,
	};
}

static int64_t to_us(uint64_t guest_ns)
{
	return (int64_t)(guest_ns / 1000);
}

void timeline_guest(struct timeline *tl, const struct vmfork_ack *ack,
		    int64_t received_us)
{
	int64_t max_us = received_us - to_us(ack->sent_ns);

	if (max_us < tl->offset_max_us)
		tl->offset_max_us = max_us;
	memcpy(tl->guest_ns, ack->time_ns, sizeof(tl->guest_ns));
	if (!tl->first_ns && ack->time_ns[VMFORK_STAGE_APPLIED])
		tl->first_ns = ack->sent_ns;
	tl->sent_ns = ack->sent_ns;
	tl->received_us = received_us;
	tl->has_guest = true;
}

void timeline_answered(struct timeline *tl, uint64_t guest_ns,
		       int64_t answered_us)
{
	int64_t min_us = answered_us - to_us(guest_ns);

	if (guest_ns && min_us > tl->offset_min_us)
		tl->offset_min_us = min_us;
}

void timeline_restored(struct timeline *tl, uint64_t guest_ns, int64_t error_us)
{
	tl->restored_ns = guest_ns;
	tl->restored_error_us = error_us;
}

/* Datagrams do not arrive before they are sent: they are believed first. */
static void narrow(struct timeline *tl)
{
	int64_t offset_us =
		tl->at_us[TIMELINE_RESUMED] - to_us(tl->restored_ns);
	int64_t min_us = offset_us - tl->restored_error_us;
	int64_t max_us = offset_us + tl->restored_error_us;

	if (min_us > tl->offset_max_us || max_us < tl->offset_min_us)
		return;
	if (min_us > tl->offset_min_us)
		tl->offset_min_us = min_us;
	if (max_us < tl->offset_max_us)
		tl->offset_max_us = max_us;
}

/* One after the other, and all before they were told: whatever the offset. */
static bool is_in_order(const struct timeline *tl)
{
	uint64_t last_ns = 0;

	for (size_t i = 0; i < NUM_TIMED; i++) {
		uint64_t ns = tl->guest_ns[guest_stages[i].guests];

		if (!ns)
			continue;
		if (ns < last_ns || ns > tl->sent_ns)
			return false;
		last_ns = ns;
	}
	return !tl->first_ns || tl->first_ns >= last_ns;
}

/* Return: when a stage ended, on the guest's clock; 0 if it told nothing of it */
static uint64_t moment_ns(const struct timeline *tl, enum timeline_stage stage)
{
	if (stage == TIMELINE_SENT)
		return tl->first_ns;
	for (size_t i = 0; i < NUM_TIMED; i++)
		if (guest_stages[i].ours == stage)
			return tl->guest_ns[guest_stages[i].guests];
	return 0;
}

/* What an offset in the middle of its bounds has moved is put right. */
static void place(struct timeline *tl, int64_t offset_us)
{
	int64_t from_us = 0, to_at_us = tl->at_us[TIMELINE_ACKED];

	for (int i = 0; i <= TIMELINE_RESUMED; i++)
		if (tl->at_us[i] > from_us)
			from_us = tl->at_us[i];
	if (!to_at_us)
		to_at_us = tl->received_us;
	for (int i = TIMELINE_SIGNAL; i <= TIMELINE_SENT; i++) {
		uint64_t ns = moment_ns(tl, (enum timeline_stage)i);
		int64_t at_us = to_us(ns) + offset_us;

		if (!ns)
			continue;
		if (at_us > to_at_us)
			at_us = to_at_us;
		if (at_us < from_us)
			at_us = from_us;
		tl->at_us[i] = at_us;
	}
}

int64_t timeline_finish(struct timeline *tl)
{
	uint64_t signal_ns = tl->guest_ns[VMFORK_STAGE_SIGNAL];
	int64_t offset_us, error_us;

	if (!tl->has_guest)
		return 0;
	/* nothing happened in the guest before it ran */
	if (tl->at_us[TIMELINE_RESUMED])
		timeline_answered(tl, signal_ns, tl->at_us[TIMELINE_RESUMED]);
	if (tl->at_us[TIMELINE_RESUMED] && tl->restored_ns)
		narrow(tl);
	if (tl->offset_min_us == INT64_MIN)
		tl->offset_min_us = tl->offset_max_us;
	error_us = (tl->offset_max_us - tl->offset_min_us + 1) / 2;
	offset_us = tl->offset_min_us + error_us;
	if (error_us < -CONTRADICTION_US || !is_in_order(tl)) {
		tl->has_guest = false;
		return 0;
	}
	place(tl, offset_us);
	return error_us > 0 ? error_us : -error_us;
}

int64_t timeline_from(const struct timeline *tl, enum timeline_stage stage)
{
	int64_t from_us = tl->from_us[stage], at_us = tl->at_us[stage];

	if (!at_us)
		return 0;
	for (int i = stage - 1; !from_us && i >= 0; i--)
		if (i < TIMELINE_CHAIN_NUM)
			from_us = tl->at_us[i];
	/* moments of two clocks may meet in the wrong order */
	return from_us && from_us < at_us ? from_us : at_us;
}

static json_t *moment_pack(int64_t at_us, int64_t start_us)
{
	return at_us ? json_integer(at_us - start_us) : json_null();
}

json_t *timeline_pack(const struct timeline *tl, int64_t start_us)
{
	json_t *json = json_object();

	for (int i = 0; i < TIMELINE_NUM; i++)
		json_object_set_new(json,
				    timeline_stage_name((enum timeline_stage)i),
				    moment_pack(tl->at_us[i], start_us));
	return json;
}

json_t *timeline_pack_from(const struct timeline *tl, int64_t start_us)
{
	json_t *json = json_object();

	for (int i = 0; i < TIMELINE_NUM; i++) {
		enum timeline_stage stage = (enum timeline_stage)i;

		json_object_set_new(
			json, timeline_stage_name(stage),
			moment_pack(timeline_from(tl, stage), start_us));
	}
	return json;
}

const char *timeline_stage_name(enum timeline_stage stage)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_stages); i++)
		if (guest_stages[i].ours == stage)
			return vmfork_stage_name(guest_stages[i].guests);
	return stage_names[stage];
}

const char *timeline_step_name(uint32_t step)
{
	const char *name = vmfork_step_name(step);

	return name ? name : "unknown";
}
