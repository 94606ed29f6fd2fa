export const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof weekdays)[number];

/** When a rule is good. */
export interface RuleTime {
  /** RFC 3339, both included. */
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly days?: Weekday | readonly Weekday[];
  /** "08:00-18:00": from the first, up to and without the second. Over midnight it belongs to the day it began on. */
  readonly hours?: string;
  /** "Europe/Berlin"; default "UTC". */
  readonly timezone?: string;
}

const minutesOfDay = 1440;

/** Whether a moment lies within the times of a rule. @returns a test of Unix seconds */
export function compileTime(time: RuleTime): (seconds: number) => boolean {
  const notBefore = time.notBefore === undefined ? Number.NEGATIVE_INFINITY : secondsOf(time.notBefore);
  const notAfter = time.notAfter === undefined ? Number.POSITIVE_INFINITY : secondsOf(time.notAfter);
  const inWeek = time.days === undefined && time.hours === undefined ? undefined : compileWeek(time);
  return (seconds) => seconds >= notBefore && seconds <= notAfter && (inWeek?.(seconds) ?? true);
}

/** Unix seconds of an RFC 3339 time. NaN for a day that no calendar has. */
export function secondsOf(time: string): number {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)T/.exec(time) ?? [];
  // Date takes 31 February for 3 March.
  const isDay = new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDate() === Number(day);
  return isDay ? Date.parse(time) / 1000 : Number.NaN;
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function compileWeek({ days = weekdays, hours = "00:00-24:00", timezone = "UTC" }: RuleTime) {
  const at = localTime(timezone);
  const included = weekdays.map((day) => days.includes(day));
  const [from, to] = hours.split("-").map(minutesOf) as [number, number];
  return (seconds: number): boolean => {
    const { day, minute } = at(seconds);
    if (from < to) return (included[day] as boolean) && minute >= from && minute < to;
    // Over midnight: the morning belongs to the day before.
    if (minute >= from) return included[day] as boolean;
    return minute < to && (included[(day + 6) % 7] as boolean);
  };
}

function minutesOf(time: string): number {
  const [hour, minute] = time.split(":").map(Number) as [number, number];
  return hour * 60 + minute;
}

interface LocalTime {
  /** 0 is Monday. */
  readonly day: number;
  readonly minute: number;
}

const clocks = new Map<string, (seconds: number) => LocalTime>();

/** Day and minute in a time zone. Asked for once a quarter of an hour: clocks are changed at no other time. */
function localTime(timeZone: string): (seconds: number) => LocalTime {
  const known = clocks.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  let quarter = Number.NaN;
  let atQuarter: LocalTime = { day: 0, minute: 0 };
  const clock = (seconds: number): LocalTime => {
    const now = Math.floor(seconds / 900);
    if (now !== quarter) {
      atQuarter = read(format, now * 900);
      quarter = now;
    }
    const minute = atQuarter.minute + Math.floor((seconds - quarter * 900) / 60);
    return minute < minutesOfDay
      ? { day: atQuarter.day, minute }
      : { day: (atQuarter.day + 1) % 7, minute: minute - minutesOfDay };
  };
  clocks.set(timeZone, clock);
  return clock;
}

function read(format: Intl.DateTimeFormat, seconds: number): LocalTime {
  const parts = new Map(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, value]));
  const day = weekdays.indexOf(parts.get("weekday")?.toLowerCase() as Weekday);
  return { day, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
}
