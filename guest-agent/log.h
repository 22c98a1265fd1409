/* SPDX-License-Identifier: MIT */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

enum log_level { LOG_ERROR, LOG_INFO, LOG_DEBUG, LOG_NUM };

/**
 * log_init() - Choose how much is said; called once, by main()
 * @level:	the least important level that is still printed
 */
void log_init(enum log_level level);

/**
 * log_line() - Print one line on standard error
 * @level:	how important it is
 * @fmt:	the line, without its newline
 *
 * Standard error is often a serial line, which takes milliseconds: never call
 * it between a restore and its first acknowledgement.
 */
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
