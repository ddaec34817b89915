"""Programs to develop and try facestream with: servers, drills, checks of what is deployed."""
