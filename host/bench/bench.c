// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/bench.h"

void bench_init(struct bench *bench, const char *const *names, unsigned int num)
{
	*bench = (struct bench){ .num = num };
	for (unsigned int i = 0; i < num; i++)
		bench->series[i].name = names[i];
}

void bench_exit(struct bench *bench)
{
	for (unsigned int i = 0; i < bench->num; i++)
		free(bench->series[i].samples);
	bench->num = 0;
}

void bench_add(struct bench *bench, unsigned int series, int64_t us)
{
	struct bench_series *s = &bench->series[series];

	if (s->num == s->size) {
		unsigned int size = s->size ? 2 * s->size : 32;
		int64_t *grown = reallocarray(s->samples, size, sizeof(*grown));

		/* a sample that is lost shows in n */
		if (!grown)
			return;
		s->samples = grown;
		s->size = size;
	}
	s->samples[s->num++] = us;
}

int bench_csv(const struct bench *bench, const char *path, struct vf_err *err)
{
	__fclose FILE *file = fopen(path, "we");

	if (!file)
		return vf_err_errno(err, errno, "%s", path);
	fprintf(file, "variant,iteration,us\n");
	for (unsigned int i = 0; i < bench->num; i++)
		for (unsigned int k = 0; k < bench->series[i].num; k++)
			fprintf(file, "%s,%u,%lld\n", bench->series[i].name, k,
				(long long)bench->series[i].samples[k]);
	if (fflush(file) || ferror(file))
		return vf_err_errno(err, errno, "%s", path);
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The nearest-rank percentile of sorted samples. */
static int64_t percentile(const struct bench_series *s, unsigned int percent)
{
	unsigned int rank = (s->num * percent + 99) / 100;

	return s->num ? s->samples[rank ? rank - 1 : 0] : 0;
}

/* The first of a run pays for what all others find warm. */
static void series_drop_first(struct bench_series *s)
{
	if (s->num < 2)
		return;
	s->num--;
	memmove(s->samples, s->samples + 1, s->num * sizeof(*s->samples));
}

static json_t *series_pack(const struct bench_series *s)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < s->num; i++)
		sum += s->samples[i];
	return json_pack("{s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:I}", "name", s->name,
			 "n", (int)s->num, "mean_us",
			 (json_int_t)(s->num ? sum / s->num : 0), "min_us",
			 (json_int_t)percentile(s, 0), "p50_us",
			 (json_int_t)percentile(s, 50), "p90_us",
			 (json_int_t)percentile(s, 90), "p99_us",
			 (json_int_t)percentile(s, 99), "max_us",
			 (json_int_t)percentile(s, 100));
}

json_t *bench_report(struct bench *bench, const struct bench_ratio *ratios,
		     unsigned int num)
{
	json_t *variants = json_array(), *quotients = json_array();

	for (unsigned int i = 0; i < bench->num; i++) {
		struct bench_series *s = &bench->series[i];

		series_drop_first(s);
		qsort(s->samples, s->num, sizeof(*s->samples), compare);
		json_array_append_new(variants, series_pack(s));
	}
	for (unsigned int i = 0; i < num; i++) {
		const struct bench_ratio *r = &ratios[i];
		double of = (double)percentile(&bench->series[r->of], 50);
		double against =
			(double)percentile(&bench->series[r->against], 50);

		json_array_append_new(
			quotients,
			json_pack("{s:s,s:f,s:f}", "name", r->name, "p50",
				  against > 0 ? of / against : 0.0, "allowed",
				  r->allowed));
	}
	return json_pack("{s:o,s:o}", "variants", variants, "ratios",
			 quotients);
}
