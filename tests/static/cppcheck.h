/* SPDX-License-Identifier: MIT */
/*
 * Included ahead of each file that cppcheck reads: it does not see the system's
 * headers, and takes what their macros stand for from here.
 */
#ifndef TESTS_CPPCHECK_H
#define TESTS_CPPCHECK_H

#define JSON_INTEGER_FORMAT "lld"
#define json_array_foreach(array, index, value) \
	for (index = 0; (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) \
	for (key = ""; (value = json_object_get(object, key));)

#endif
