#!/usr/bin/env bash
# Make a release of what is committed: date the changelog, set the version, commit, tag. Nothing is pushed.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "error: $1" >&2; exit 1; }

[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "VERSION='$VERSION': three numbers; type: make release VERSION=1.0.0"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed; type: git status"
if git rev-parse -q --verify "refs/tags/v$VERSION" > /dev/null; then fail "v$VERSION is there already; type: git tag"; fi
grep -qx '## Unreleased' CHANGELOG.md || fail "CHANGELOG.md has no heading '## Unreleased': write what is new below one"

sed -i.old "s/^## Unreleased\$/## $VERSION ($(date -u +%F))/" CHANGELOG.md
sed -i.old "s/^version = .*/version = \"$VERSION\"/" pyproject.toml
rm CHANGELOG.md.old pyproject.toml.old
git commit --quiet -m "Release $VERSION" CHANGELOG.md pyproject.toml
git tag -a "v$VERSION" -m "Release $VERSION"
echo "v$VERSION is committed and tagged; to publish it: git push --follow-tags"
