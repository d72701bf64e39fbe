/** Bars as SVG: one chart for each group of results. No script, no style sheet from elsewhere. */
import { type Result, shown } from './results.ts'

const WIDTH = 720
const LABEL_WIDTH = 260
const ROW_HEIGHT = 26
const BAR_HEIGHT = 16
/** For the number behind the longest bar. */
const NUMBER_WIDTH = 130

/** The chart of a group, whose results have one unit. */
export function barChart(results: readonly Result[]): string {
  const most = Math.max(...results.map(({ value, limit }) => Math.max(value, limit ?? 0)), Number.MIN_VALUE)
  const scale = (WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / most
  const rows = results.map(({ name, value, unit, limit }, i) => {
    const y = i * ROW_HEIGHT
    const lenPx = Math.max(1, Math.max(0, value) * scale)
    const bar = `<rect x="${LABEL_WIDTH}" y="${y + 5}" width="${lenPx.toFixed(1)}" height="${BAR_HEIGHT}" class="${
      limit !== undefined && value > limit ? 'over' : 'bar'
    }"/>`
    const label = `<text x="${LABEL_WIDTH - 8}" y="${y + 18}" text-anchor="end">${escapeHtml(name)}</text>`
    const end = LABEL_WIDTH + Math.max(lenPx, (limit ?? 0) * scale) + 6
    const number = `<text x="${end.toFixed(1)}" y="${y + 18}">${escapeHtml(`${shown(value)} ${unit}`)}</text>`
    const at = (LABEL_WIDTH + (limit ?? 0) * scale).toFixed(1)
    const line = `<line x1="${at}" x2="${at}" y1="${y + 1}" y2="${y + ROW_HEIGHT - 1}" class="limit"/>`
    return bar + label + number + (limit === undefined ? '' : line)
  })
  const height = results.length * ROW_HEIGHT + 4
  return `<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">${rows.join('')}</svg>`
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
