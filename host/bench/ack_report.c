// SPDX-License-Identifier: MIT
/* Handoffs as rows and as distributions. ack.h holds the contract. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bench/ack_kind.h"
#include "bench/rows.h"
#include "bench/stats.h"
#include "names.h"

static const char *const metric_names[ACK_METRIC_NUM] = {
	[ACK_TOTAL_US] = "total_us",
	[ACK_RECONFIGURE_US] = "reconfigure_us",
	[ACK_SIGNAL_US] = "signal_us",
	[ACK_MAIL_US] = "mail_us",
	[ACK_APPLY_US] = "apply_us",
	[ACK_ACK_US] = "ack_us",
	[ACK_SEEN_US] = "seen_us",
	[ACK_BLIND_US] = "blind_us",
	[ACK_CLOCK_ERROR_US] = "clock_error_us",
	[ACK_CPU_US] = "cpu_acked_us",
	[ACK_PREFETCH_BYTES] = "prefetch_bytes",
	[ACK_PREFETCH_US] = "prefetch_us",
	[ACK_FAULTS_MAJOR] = "faults_major",
	[ACK_FAULTS_MINOR] = "faults_minor",
};

static const char method[] =
	"Forks one by one, variants in turn. total_us: from the request, "
	"inside "
	"the process that measures, to the acknowledgement; reconfigure_us: "
	"from the engine's resume event to "
	"it: both on the host's clock. signal_us, mail_us: from that event to "
	"what the guest noted on its monotonic clock, brought to the host's, "
	"which may be off by clock_error_us, the same for both. apply_us: from "
	"mail to applied, on the guest's clock alone. ack_us: from applied to "
	"the acknowledgement's arrival, off by clock_error_us. seen_us: from "
	"the resume event until the host, who reads the fork's memory, saw "
	"that the network was applied; too late by blind_us at most. "
	"cpu_acked_us: processor time of the engine until then. The first "
	"fork of each variant is shown apart and is in no distribution.";

int ack_csv(const struct ack_table *table, const char *path, struct vf_err *err)
{
	FILE *file;
	int ret = rows_csv_open(&file, path, "variant,iteration,signal",
				metric_names, ACK_METRIC_NUM, err);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < table->num; i++) {
		const struct ack_row *r = &table->rows[i];
		const char *signal = vmfork_signal_name(r->signal);

		fprintf(file, "\"%s\",%u,%s", table->variants[r->variant].name,
			r->iteration,
			r->failed	      ? "failed"
			: r->signal && signal ? signal
					      : "");
		rows_csv_values(file, r->value, ACK_METRIC_NUM, ACK_UNKNOWN);
	}
	return rows_csv_close(file, path, err);
}

static json_t *first_pack(const struct ack_table *table, unsigned int variant)
{
	json_t *json = json_object();

	for (unsigned int i = 0; i < table->num; i++) {
		const struct ack_row *r = &table->rows[i];

		if (r->iteration || r->variant != variant)
			continue;
		for (unsigned int m = 0; m < ACK_METRIC_NUM; m++)
			if (r->value[m] != ACK_UNKNOWN)
				json_object_set_new(json, metric_names[m],
						    json_integer(r->value[m]));
	}
	return json;
}

/* How often each signal was told; and how many forks failed. */
static json_t *told_pack(const struct ack_table *table, unsigned int variant,
			 int *num, int *failed)
{
	json_t *json = json_object();

	*num = 0;
	*failed = 0;
	for (unsigned int i = 0; i < table->num; i++) {
		const struct ack_row *r = &table->rows[i];
		const char *name = vmfork_signal_name(r->signal);
		json_int_t so_far;

		if (!r->iteration || r->variant != variant)
			continue;
		++*num;
		*failed += r->failed;
		if (r->failed || !r->signal || !name)
			continue;
		so_far = json_integer_value(json_object_get(json, name));
		json_object_set_new(json, name, json_integer(so_far + 1));
	}
	return json;
}

static json_t *variant_pack(const struct ack_table *table, unsigned int variant,
			    int64_t *room)
{
	const struct ack_variant *v = &table->variants[variant];
	int num, failed;
	json_t *told = told_pack(table, variant, &num, &failed);
	json_t *json = json_pack(
		"{s:s,s:s,s:b,s:s,s:b,s:o,s:i,s:i,s:o,s:o}", "name", v->name,
		"kind", v->kind->name, "armed", v->armed, "prefetch",
		v->prefetch->name, "cold", v->cold, "spun_us",
		v->armed ? json_integer(v->spun_us) : json_null(), "n", num,
		"failed", failed, "told", told, "first",
		first_pack(table, variant));

	for (unsigned int m = 0; m < ACK_METRIC_NUM; m++) {
		unsigned int samples = ack_samples(table, variant, m, room);

		if (samples)
			json_object_set_new(json, metric_names[m],
					    stats_pack(room, samples));
	}
	return json;
}

json_t *ack_report(const struct ack_table *table)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	json_t *variants = json_array(), *missing = json_array();
	struct targets targets;

	for (unsigned int i = 0; room && i < table->num_variants; i++) {
		const struct ack_variant *v = &table->variants[i];

		if (*v->why)
			json_array_append_new(
				missing, json_pack("{s:s,s:s}", "name", v->name,
						   "why", v->why));
		else
			json_array_append_new(variants,
					      variant_pack(table, i, room));
	}
	ack_judge(table, &targets);
	return json_pack("{s:s,s:s,s:o,s:o,s:o}", "method", method, "accel",
			 vmm_accel_name(table->accel), "variants", variants,
			 "missing", missing, "targets", targets_pack(&targets));
}
