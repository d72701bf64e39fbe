/**
 * The host's part of group membership, without input or output of its own: IGMP (RFC 2236, RFC 3376) and MLD (RFC 2710,
 * RFC 3810) differ in their octets only. We never choose among the sources of a group, so a version 3 report always says
 * "exclude nobody" or "include nobody".
 */
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'

/** RFC 3376 §8.1, §8.11: a change is reported twice, the second time within a second. */
const ROBUSTNESS = 2
const REPORT_INTERVAL: Duration = seconds(1)
/** RFC 3376 §8.12: how long an older querier counts: twice the query interval and a response time. */
const OLDER_QUERIER_TIMEOUT: Duration = seconds(260)

/** Why a group is reported: a querier asked, or we have joined or left. */
export type ReportKind = 'current' | 'joined' | 'left'

/** Sends a report about `groups` in the querier's version: the newest, or an older one. */
export type Report<A> = (kind: ReportKind, groups: readonly A[], version: number) => void

interface Change<A> {
  readonly group: A
  readonly kind: ReportKind
  leftCount: number
  deadline: Instant
}

export class Membership<A> {
  private readonly random: Random
  private readonly newestVersion: number
  private readonly report: Report<A>
  private readonly groups = new Set<A>()
  private changes: Change<A>[] = []
  /** When all groups are reported because a querier asked; NEVER when none has. */
  private answerAt: Instant = NEVER
  /** The same for single groups; never more than are joined. */
  private readonly groupAnswers = new Map<A, Instant>()
  private olderVersion = 0
  private olderUntil: Instant = 0 as Instant

  constructor(random: Random, newestVersion: number, report: Report<A>) {
    this.random = random
    this.newestVersion = newestVersion
    this.report = report
  }

  set(group: A, isMember: boolean, now: Instant): void {
    if (this.groups.has(group) === isMember) return
    if (isMember) this.groups.add(group)
    else this.groups.delete(group)
    this.groupAnswers.delete(group)
    this.changes = this.changes.filter((change) => change.group !== group)
    this.changes.push({ group, kind: isMember ? 'joined' : 'left', leftCount: ROBUSTNESS, deadline: now })
    this.poll(now)
  }

  /** A querier asks for one group or for all, and wants an answer within `maxDelay`. */
  query(group: A | undefined, maxDelay: Duration, version: number, now: Instant): void {
    if (version < this.newestVersion) {
      this.olderVersion = now < this.olderUntil ? Math.min(version, this.olderVersion) : version
      this.olderUntil = after(now, OLDER_QUERIER_TIMEOUT)
    }
    if (this.groups.size === 0) return
    const at = after(now, (this.random.u32() % (Math.max(1, maxDelay) + 1)) as Duration)
    if (group === undefined) this.answerAt = earlier(this.answerAt, at)
    else if (this.groups.has(group)) this.groupAnswers.set(group, earlier(this.groupAnswers.get(group) ?? NEVER, at))
  }

  nextDeadline(): Instant {
    let next = this.answerAt
    for (const change of this.changes) next = earlier(next, change.deadline)
    for (const at of this.groupAnswers.values()) next = earlier(next, at)
    return next
  }

  poll(now: Instant): void {
    const version = now < this.olderUntil ? this.olderVersion : this.newestVersion
    for (const change of this.changes) {
      if (change.deadline > now) continue
      change.leftCount--
      change.deadline = after(now, (this.random.u32() % REPORT_INTERVAL) as Duration)
      this.report(change.kind, [change.group], version)
    }
    this.changes = this.changes.filter((change) => change.leftCount > 0)
    if (this.answerAt <= now) {
      this.answerAt = NEVER
      this.groupAnswers.clear()
      if (this.groups.size > 0) this.report('current', [...this.groups], version)
    }
    for (const [group, at] of this.groupAnswers) {
      if (at > now) continue
      this.groupAnswers.delete(group)
      this.report('current', [group], version)
    }
  }
}
