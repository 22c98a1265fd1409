/* SPDX-License-Identifier: MIT */
/* The machine's processors: how many there are for us, and who has them first. */
#ifndef VF_CPU_H
#define VF_CPU_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * cpu_count() - How many processors may this process keep busy?
 *
 * Those it may run on, or fewer where a control group limits its time.
 *
 * Return: at least 1
 */
unsigned int cpu_count(void);

/**
 * cpu_quota() - How many processors is a control group's time worth?
 * @root_fd:	directory of the hierarchy of controller cpu
 * @path:	the group, as in /proc/PID/cgroup; its parents count too
 *
 * Return: rounded up; 0 without a limit
 */
unsigned int cpu_quota(int root_fd, const char *path);

/**
 * cpu_can_yield() - May this process undo what cpu_yield() does?
 *
 * Not where it was given another policy than the usual one.
 *
 * Return: true if so; else it must not be done
 */
bool cpu_can_yield(void);

/**
 * cpu_yield() - Have a process use only what others leave of the processors
 * @pid:	process, leader of a session of its own
 * @on:		false: undo it
 *
 * The kernel weighs sessions against each other where it groups by them
 * (sched(7), autogroup), and threads within a group. A process that has gone,
 * and a kernel that has no such thing, are no errors.
 *
 * Return: true, or false if its session weighs what it did
 */
bool cpu_yield(pid_t pid, bool on);

/**
 * cpu_lead_nice() - How far have those who are waited for to be raised?
 * @leading:	how many of them run at a time
 * @yielding:	how many others yield to them, cpu_yield()
 *
 * Where the kernel weighs sessions, even the least weight counts if there are
 * enough of it: a hundred that yield would take a third of what three others do.
 *
 * Return: a nice value for cpu_lead(): 0 where it is well as it is, and not so low
 * that all else on the machine would stand still
 */
int cpu_lead_nice(unsigned int leading, unsigned int yielding);

/**
 * cpu_lead() - Give a process's session more weight than others have
 * @pid:	process, leader of a session of its own
 * @nice:	of cpu_lead_nice(); cpu_yield() undoes it, on or off
 *
 * Return: true, or false if its session weighs what it did
 */
bool cpu_lead(pid_t pid, int nice);

/**
 * cpu_hurry() - Go before all others, where that is permitted
 *
 * For what takes little itself and relieves the machine, such as to end what keeps
 * it busy. Calls may nest.
 *
 * Return: true if the caller does so from now on, for cpu_unhurry(); false if it
 * does already, may not, or was given another policy than the usual one
 */
bool cpu_hurry(void);

/**
 * cpu_unhurry() - As usual again
 * @hurries:	what cpu_hurry() returned
 */
void cpu_unhurry(bool hurries);

#endif
