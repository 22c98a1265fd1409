/* SPDX-License-Identifier: MIT */
/*
 * Included ahead of each file of the host side when the analyzer reads it: it
 * sees one file at a time, and so not that what sets an error returns one.
 */
#ifndef TESTS_ANALYZER_H
#define TESTS_ANALYZER_H

#include "base/err.h"

#define vf_err_set(...)	  (vf_err_set(__VA_ARGS__), -1)
#define vf_err_errno(...) (vf_err_errno(__VA_ARGS__), -1)
#define vf_err_wrap(...)  (vf_err_wrap(__VA_ARGS__), -1)

#endif
