// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>

#include "cmd/chart.h"
#include "cmd/cmd.h"
#include "cmd/vminfo.h"
#include "core/snapshot.h"

/* A VM: what ps says, its record, and a fork's timeline. */
static int inspect_vm(const struct vf_state *state, const char *name,
		      json_t **out, struct vf_err *err)
{
	static const struct {
		const char *key;
		const char *file;
	} records[] = {
		{ "record", VM_RECORD_FILE },
		{ "fork", VM_TIMELINE_FILE },
	};
	struct vf_err ignored;
	struct vm vm;
	int ret = vm_open(&vm, state, name, err);

	if (ret == -ENOENT || ret == -EINVAL) {
		vm_close(&vm);
		return ret;
	}
	*out = vminfo_describe(state, name, true);
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		json_t *record = NULL;

		if (vf_json_load(vm.run_fd, records[i].file, &record,
				 &ignored) == 0)
			json_object_set_new(*out, records[i].key, record);
	}
	vm_close(&vm);
	return 0;
}

static int inspect_snapshot(const struct vf_state *state, const char *name,
			    json_t **out, struct vf_err *err)
{
	struct snapshot snapshot;
	json_t *manifest = NULL;
	int ret = snapshot_open(&snapshot, state, name, err);

	if (!ret)
		ret = vf_json_load(snapshot.dir_fd, SNAPSHOT_MANIFEST_FILE,
				   &manifest, err);
	if (!ret) {
		*out = snapshot_describe(&snapshot);
		json_object_set_new(*out, "manifest", manifest);
	}
	snapshot_close(&snapshot);
	return ret;
}

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "-";
}

static json_int_t number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

/* What a person wants to know of a fork at a glance, and where its time went. */
static int print_fork(const json_t *vm, struct vf_err *err)
{
	const json_t *fork = json_object_get(vm, "fork");
	const json_t *faults = json_object_get(fork, "faults");
	const char *shaping =
		json_string_value(json_object_get(fork, "shaping"));
	struct chart chart;

	printf("%s: %s, fork of %s, %s %s %s\n", text(vm, "name"),
	       text(vm, "state"), text(vm, "snapshot"), text(vm, "mac"),
	       text(vm, "ipv4"), text(vm, "ipv6"));
	printf("reached %s by %s, page faults: %lld minor, %lld major; guest's "
	       "times +-%.1f ms%s%s\n\n",
	       text(fork, "reached"), text(fork, "signal"),
	       (long long)number(faults, "minor"),
	       (long long)number(faults, "major"),
	       (double)number(fork, "clock_error_us") / 1000,
	       shaping ? "; shaping " : "", shaping ? shaping : "");
	chart_init(&chart);
	chart_print(&chart, fork);
	if (fflush(stdout) == EOF)
		return vf_err_errno(err, errno, "output");
	return CMD_EXIT_DONE;
}

static int inspect(struct cmd *cmd, const struct vf_state *state, void *ctx,
		   struct vf_err *err)
{
	__json json_t *out = NULL;
	const char *name = ctx;
	int ret = inspect_vm(state, name, &out, err);

	if (ret == -ENOENT)
		ret = inspect_snapshot(state, name, &out, err);
	if (ret == -ENOENT)
		vf_err_set(err, ENOENT, "%s: neither a VM nor a snapshot",
			   name);
	if (ret < 0)
		return ret;
	if (!cmd->json && json_object_get(out, "fork"))
		return print_fork(out, err);
	return cmd_print_json(out, err);
}

int cmd_inspect(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = {
		"NAME",
		"Print where a fork's time went; with --json, and of other VMs "
		"and\n"
		"snapshots always, all that is known, as JSON.",
		NULL,
		1,
		1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	return cmd_read(cmd, inspect, argv[0], err);
}
