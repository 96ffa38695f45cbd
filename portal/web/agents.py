"""Describe browsers and programs by their User-Agent."""

from __future__ import annotations

BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome",
            "Chrome": "Chrome", "Safari": "Safari"}  # fmt: skip
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "macOS",
           "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip


def browser_of(agent: str) -> str:
    """`Chrome on Linux`; for other programs, the first word of their name."""
    browser = next((name for mark, name in BROWSERS.items() if f"{mark}/" in agent), agent.split("/")[0].strip()[:40])
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), None)
    return f"{browser} on {system}" if system else browser or "An unnamed program"


def signed_out(number: int) -> str:
    """`2 devices were signed out.`"""
    return "1 device was signed out." if number == 1 else f"{number or 'No'} devices were signed out."
