// SPDX-License-Identifier: MIT
/* What subcommands print on standard output. cmd.h holds the contract. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

#define CELL_SIZE   160
#define COLUMNS_MAX 24

int cmd_print_json(const json_t *json, struct vf_err *err)
{
	if (json_dumpf(json, stdout, JSON_INDENT(1)) < 0 ||
	    fputc('\n', stdout) == EOF || fflush(stdout) == EOF)
		return vf_err_errno(err, errno ? errno : EIO, "output");
	return 0;
}

int cmd_print_lines(const struct cmd *cmd, const json_t *lines,
		    struct vf_err *err)
{
	json_t *line;
	size_t i;

	if (cmd->json)
		return cmd_print_json(lines, err);
	json_array_foreach(lines, i, line)
		printf("%s\n", json_string_value(line));
	return CMD_EXIT_DONE;
}

static const json_t *lookup(const json_t *row, const char *key)
{
	char head[CELL_SIZE];
	const char *dot = strchr(key, '.');

	if (!dot)
		return json_object_get(row, key);
	snprintf(head, sizeof(head), "%.*s", (int)(dot - key), key);
	return lookup(json_object_get(row, head), dot + 1);
}

static void format_cell(char *cell, const json_t *row, const struct column *c)
{
	const json_t *value = lookup(row, c->key);

	snprintf(cell, CELL_SIZE, "-");
	if (json_is_integer(value) && c->is_us)
		snprintf(cell, CELL_SIZE, "%.1f",
			 (double)json_integer_value(value) / 1000);
	else if (json_is_integer(value) && c->is_bytes)
		snprintf(cell, CELL_SIZE, "%.1f",
			 (double)json_integer_value(value) / (1 << 20));
	else if (json_is_integer(value))
		snprintf(cell, CELL_SIZE, "%lld",
			 (long long)json_integer_value(value));
	else if (json_is_string(value) && json_string_length(value))
		snprintf(cell, CELL_SIZE, "%s", json_string_value(value));
	else if (json_array_size(value))
		snprintf(cell, CELL_SIZE, "%zu", json_array_size(value));
	else if (json_is_boolean(value))
		snprintf(cell, CELL_SIZE, "%s",
			 json_is_true(value) ? "yes" : "no");
}

/* How wide a column has to be. */
static int column_width(const json_t *rows, const struct column *c)
{
	size_t width = strlen(c->title), i;
	char cell[CELL_SIZE];
	json_t *row;

	json_array_foreach(rows, i, row) {
		format_cell(cell, row, c);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return (int)width;
}

void cmd_print_table(const json_t *rows, const struct column *columns,
		     unsigned int num)
{
	int widths[COLUMNS_MAX];
	char cell[CELL_SIZE];
	size_t i;
	json_t *row;

	for (unsigned int k = 0; k < num; k++) {
		widths[k] = column_width(rows, &columns[k]);
		printf("%-*s%s", widths[k], columns[k].title,
		       k + 1 < num ? "  " : "\n");
	}
	json_array_foreach(rows, i, row) {
		for (unsigned int k = 0; k < num; k++) {
			format_cell(cell, row, &columns[k]);
			printf("%-*s%s", widths[k], cell,
			       k + 1 < num ? "  " : "\n");
		}
	}
}

int cmd_print_rows(const struct cmd *cmd, const json_t *rows,
		   const struct column *columns, unsigned int num,
		   struct vf_err *err)
{
	if (cmd->json)
		return cmd_print_json(rows, err);
	cmd_print_table(rows, columns, num);
	return CMD_EXIT_DONE;
}
