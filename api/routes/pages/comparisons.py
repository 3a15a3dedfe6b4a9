"""Pages of comparisons; they come with the next step."""

from fastapi import APIRouter

router = APIRouter()
