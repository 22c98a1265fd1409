/* SPDX-License-Identifier: MIT */
/*
 * libarchive, which knows tar, cpio and how they are compressed. It is loaded when
 * an archive is there: linked, it and what it needs (ICU among it) would cost every
 * command some milliseconds at its start, those that fork a VM too.
 */
#ifndef BAKE_LIB_H
#define BAKE_LIB_H

#include <archive.h>
#include <archive_entry.h>

#include "base/err.h"

/* clang-format off */
#define LIB_SYMBOLS(x) \
	x(entry_clear) x(entry_filetype) x(entry_free) x(entry_gid) \
	x(entry_hardlink) x(entry_new) x(entry_pathname) x(entry_perm) \
	x(entry_set_filetype) x(entry_set_gid) x(entry_set_mtime) \
	x(entry_set_nlink) x(entry_set_pathname) x(entry_set_perm) \
	x(entry_set_size) x(entry_set_symlink) x(entry_set_uid) \
	x(entry_size) x(entry_symlink) x(entry_uid) x(error_string) \
	x(filter_bytes) x(filter_code) x(filter_count) x(format) \
	x(read_data) x(read_free) x(read_header_position) x(read_new) \
	x(read_next_header) x(read_open1) x(read_set_callback_data) \
	x(read_set_read_callback) x(read_set_skip_callback) \
	x(read_support_filter_bzip2) x(read_support_filter_gzip) \
	x(read_support_filter_lz4) x(read_support_filter_lzma) \
	x(read_support_filter_xz) x(read_support_filter_zstd) \
	x(read_support_format_cpio) \
	x(read_support_format_raw) x(read_support_format_tar) \
	x(write_add_filter) x(write_close) x(write_data) x(write_free) \
	x(write_header) x(write_new) x(write_open_fd) x(write_open_memory) \
	x(write_set_bytes_in_last_block) x(write_set_filter_option) \
	x(write_set_format_cpio_newc) x(write_set_format_pax_restricted) \
	x(write_set_format_raw)
/* clang-format on */

/* a name is declared: NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define LIB_MEMBER(name) typeof(&archive_##name) name;

struct lib {
	LIB_SYMBOLS(LIB_MEMBER)
};

/**
 * lib_load() - Load it
 * @lib:	out: its functions
 * @err:	error
 *
 * It stays until the process ends.
 *
 * Return: 0 or -ENOENT
 */
int lib_load(struct lib *lib, struct vf_err *err);

#endif
