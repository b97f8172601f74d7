// A moment as php-fpm writes it for people, in the machine's time zone: `29/Nov/2026:11:45:34 +0000`. Pure but for the zone.

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  // Minutes west of Greenwich.
  const zone = date.getTimezoneOffset();
  const [hours, minutes] = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60];
  const day = `${two(date.getDate())}/${months[date.getMonth()]}/${date.getFullYear()}`;
  return `${day}:${clock} ${zone > 0 ? '-' : '+'}${two(hours)}${two(minutes)}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
