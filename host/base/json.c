// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"

#define JSON_FILE_MAX (4 << 20) /* 4096 leases with all that one can have */

int vf_json_load(int dir_fd, const char *name, json_t **out, struct vf_err *err)
{
	__free char *text = NULL;
	json_error_t where;
	size_t len;
	int ret;

	ret = vf_read_file(dir_fd, name, JSON_FILE_MAX, &text, &len, err);
	if (ret < 0)
		return ret;
	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (!*out)
		return vf_err_set(err, EBADMSG, "%s: line %d: %s", name,
				  where.line, where.text);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return vf_err_set(err, EBADMSG, "%s: not a JSON object", name);
	}
	return 0;
}

int vf_json_save(int dir_fd, const char *name, const json_t *json, bool durable,
		 struct vf_err *err)
{
	__free char *text = json_dumps(json, JSON_INDENT(1));

	if (!text)
		return vf_err_errno(err, ENOMEM, "%s", name);
	return vf_write_file(dir_fd, name, text, strlen(text), durable, err);
}

int vf_json_unpack(json_t *json, const char *what, struct vf_err *err,
		   const char *fmt, ...)
{
	json_error_t where;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = json_vunpack_ex(json, &where, 0, fmt, ap);
	va_end(ap);
	if (ret < 0)
		return vf_err_set(err, EBADMSG, "%s: %s", what, where.text);
	return 0;
}

size_t vf_json_find(const json_t *strings, const char *string)
{
	size_t i;
	json_t *item;

	json_array_foreach(strings, i, item)
		if (!strcmp(json_string_value(item), string))
			break;
	return i;
}

int vf_list_dir(int dir_fd, json_t **names, struct vf_err *err)
{
	struct dirent **entries;
	int num = scandirat(dir_fd, ".", &entries, NULL, alphasort);

	if (num < 0)
		return vf_err_errno(err, errno, "directory");
	*names = json_array();
	for (int i = 0; i < num; i++) {
		if (entries[i]->d_name[0] != '.')
			json_array_append_new(*names,
					      json_string(entries[i]->d_name));
		free(entries[i]);
	}
	free(entries);
	return 0;
}
